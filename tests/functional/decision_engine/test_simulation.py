# SPDX-License-Identifier: Apache-2.0
"""What watcher-simulate thinks is what a decision engine records for the same snapshot."""

import itertools
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from oslo_config import cfg
from oslo_messaging import conffixture

from tests.shelves import shelves
from tests.worlds import random_metrics, random_world, uuid
from watcher import config, plugins
from watcher.context import RequestContext
from watcher.core.baremetal import MachineRecord, assemble_machines
from watcher.core.errors import Invalid, NoMetrics, StaleCluster, WatcherError
from watcher.core.masking import masked
from watcher.core.metrics import Metric, Query
from watcher.core.snapshot import Answer, Snapshot
from watcher.db import models, store
from watcher.db.engine import Database
from watcher.decision_engine import recorded, simulation, snapshot_file, sync
from watcher.decision_engine.audits import Runner
from watcher.decision_engine.simulation import Wish
from watcher.messaging.notifications import make_announcer
from watcher.messaging.rpc import Applier
from watcher.messaging.transport import Bus

NEEDS = {
    "host_maintenance": {"maintenance_node": "host00003"},
    "zone_migration": {"compute_nodes": [{"src_node": "host00001", "dst_node": "host00002"}]},
    "actuator": {"actions": [{"action_type": "nop", "input_parameters": {"message": "a"}}]},
    "workload_balance": {"threshold": 5.0},
    "vm_workload_consolidation": {"cool_down": 0},
}
EXCHANGES = itertools.count()
STRATEGIES = sorted(name for name in plugins.names(plugins.STRATEGIES))


def settings():
    """A configuration of nothing."""
    conf = cfg.ConfigOpts()
    config.register(conf)
    conf([], project="watcher", default_config_files=[], default_config_dirs=[])
    return conf


@pytest.fixture(scope="module")
def snapshot():
    """A random cloud, measured for every strategy as it is asked here."""
    shelf = shelves().type("any")
    for number in range(4):
        free = 100.0 if number == 0 else 900.0
        shelf.pool(f"p{number}", free_gb=free, provisioned_gb=1000.0 - free)
    shelf.pools[0], shelf.pools[-1] = shelf.pools[-1], shelf.pools[0]
    for number in range(9):
        shelf.holds(f"v{number}", size_gb=100, volume_type="any")
    cluster = random_world(11, 12, 150)
    machines = [MachineRecord(uuid(f"m-{name}"), name, "power on") for name in cluster.hosts.name]
    cluster = replace(
        cluster, storage=shelf.storage(), baremetal=assemble_machines(machines), taken_at=1e9
    )
    wanted = {name: NEEDS.get(name, {}) for name in STRATEGIES}
    (asked,) = simulation.queries(wanted, settings()).values()
    asked = list(dict.fromkeys(asked))
    columns = random_metrics(cluster, asked, seed=3)
    answers = tuple(Answer(query, columns[query], "influxdb", 12.0) for query in asked)
    return Snapshot(cluster, answers, recorded.settings(settings()))


@pytest.fixture(scope="module")
def engine(snapshot, tmp_path_factory):
    """Runs an audit as a decision engine does, on this snapshot, into a real database."""
    conf = cfg.ConfigOpts()
    folder = tmp_path_factory.mktemp("engine")
    with conffixture.ConfFixture(conf) as fixture:
        fixture.transport_url = f"fake://{next(EXCHANGES)}"
        config.load(conf, [])
        conf.set_override("connection", f"sqlite:///{folder}/w.sqlite", "database")
        bus = Bus(conf)
        announcer = make_announcer(conf, bus)
        database = Database(conf, announcer.announce)
        database.upgrade()
        sync.sync(database)
        parts = (recorded.Model(snapshot), recorded.sources(snapshot, conf), "here")
        runner = Runner(conf, database, announcer, Applier(bus), *parts, threading.Event())

        def run(name, **values):
            with database.writing() as session:
                strategy = store.get(session, models.Strategy, name, load=("goal",))
                values = {"name": f"a-{next(EXCHANGES)}", "audit_type": "ONESHOT", **values}
                audit = models.Audit(goal=strategy.goal, strategy=strategy, **values)
                ident = store.add(session, audit).uuid
            runner.run(RequestContext(), ident)
            return told(database, ident)

        yield run
        database.dispose()


def told(database, uuid):
    """An audit, and its plan as ``simulation.report`` words it."""
    with database.reading() as session:
        audit = store.get(session, models.Audit, uuid)
        mine = models.ActionPlan.audit_id == audit.id
        plans = store.every(session, models.ActionPlan, mine, load=("indicators",))
        if not plans:
            return audit, None
        of_plan = models.Action.action_plan_id == plans[0].id
        rows = store.every(session, models.Action, of_plan)
    rows.sort(key=lambda row: row.position)
    place = {row.uuid: row.position for row in rows}
    return audit, {
        "message": audit.status_message,
        "why_not": audit.why_not,
        "global_efficacy": plans[0].global_efficacy,
        "efficacy_indicators": [
            {name: getattr(one, name) for name in ("name", "description", "unit", "value")}
            for one in plans[0].indicators
        ],
        "actions": [
            {
                "action_type": row.action_type,
                "input_parameters": row.input_parameters,
                "parents": [place[parent] for parent in row.parents],
            }
            for row in rows
        ],
    }


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_file_gives_the_plan_that_a_decision_engine_records(snapshot, engine, tmp_path, name):
    given = NEEDS.get(name, {})
    path = tmp_path / "cloud.snapshot"
    snapshot_file.write(path, snapshot)
    again = snapshot_file.read(path)
    conf = settings()
    assert recorded.use(again.settings, conf) == []
    audit, recorded_there = engine(name, parameters=given)
    if recorded_there is None:
        with pytest.raises(WatcherError) as failed:
            simulation.run(again, Wish(name, parameters=given), conf)
        assert (audit.state, audit.status_message) == ("FAILED", models.cut(str(failed.value)))
        return
    done = simulation.run(again, Wish(name, parameters=given), conf)
    assert audit.state == "SUCCEEDED", audit.status_message
    found = json.loads(json.dumps(simulation.report(done, path.name)))
    found["message"] = models.cut(found["message"])
    assert {name: found[name] for name in recorded_there} == recorded_there


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_snapshot_for_others_gives_the_same_plan_under_other_names(snapshot, name):
    """As far as the parameters name nothing."""
    given = {} if name in ("host_maintenance", "zone_migration") else NEEDS.get(name, {})
    wish = Wish(name, parameters=given)
    found = []
    for one in (snapshot, masked(snapshot, "salt")):
        try:
            done = simulation.run(one, wish, settings())
        except WatcherError as error:
            found.append(type(error))
        else:
            names = {kind: rows.row_by_uuid for kind, rows in (("instance", one.cluster.instances),
                     ("volume", one.cluster.storage.volumes))}  # fmt: skip
            acted = [
                (action.type, names["instance"].get(action.resource_id),
                 names["volume"].get(action.resource_id))
                for action in done.plan.actions
            ]  # fmt: skip
            found.append((acted, done.plan.parents, simulation.figures(done)))
    assert found[0] == found[1]


def test_most_of_these_have_something_to_do(snapshot):
    busy = set()
    for name in STRATEGIES:
        try:
            done = simulation.run(snapshot, Wish(name, parameters=NEEDS.get(name, {})), settings())
        except WatcherError:
            continue
        busy |= {name} if done.plan.actions else set()
    assert len(busy) >= 10, busy


def test_a_scope_counts_as_in_an_audit(snapshot, engine):
    scope = [{"compute": [{"host_aggregates": [{"name": "rack0"}]}]}]
    wish = Wish("vm_workload_consolidation", scope=scope)
    _, there = engine("vm_workload_consolidation", scope=scope)
    found = json.loads(
        json.dumps(simulation.report(simulation.run(snapshot, wish, settings()), ""))
    )
    assert found["actions"] == there["actions"]


@pytest.fixture
def quiet(snapshot):
    """The snapshot without numbers, and why."""
    of_hosts, *_ = (one for one in snapshot.answers if one.query.metric is Metric.HOST_CPU_USAGE)
    little = np.full(len(snapshot.cluster.hosts), np.nan)
    little[0] = 5.0
    return replace(
        snapshot,
        answers=(
            Answer(Query(Metric.HOST_OUTLET_TEMP), source="influxdb, gnocchi"),
            Answer(Query(Metric.HOST_AIRFLOW), why="InfluxDB at http://x does not answer"),
            replace(of_hosts, column=little),
        ),
        cluster=replace(snapshot.cluster, storage=None, baremetal=None),
        notes=("storage: there is no Cinder",),
    )


@pytest.mark.parametrize(
    ("name", "given", "error", "says"),
    [
        ("outlet_temperature", {}, NoMetrics, "none of influxdb, gnocchi is configured for it"),
        ("uniform_airflow", {}, NoMetrics, "http://x does not answer"),
        ("workload_balance", {}, NoMetrics, "--metric instance_cpu_usage:mean:300:300"),
        ("workload_balance", {"period": 77}, NoMetrics, "snapshot does not have it"),
        ("storage_capacity_balance", {}, StaleCluster, "no storage: there is no Cinder"),
        ("saving_energy", {}, StaleCluster, "the snapshot has no baremetal$"),
        ("nope", {}, Invalid, "there is no strategy nope; there are actuator, "),
        ("dummy", {"colour": 1}, Invalid, "parameter colour is not known"),
        ("workload_balance", {"cool_down": 60}, Invalid, "leave cool_down out"),
    ],
)
def test_what_is_missing_is_named(quiet, name, given, error, says):
    with pytest.raises(error, match=says):
        simulation.run(quiet, Wish(name, parameters=given), settings())


def test_too_little_is_said_as_an_audit_says_it(quiet):
    query = next(one.query for one in quiet.answers if one.column is not None)
    found = recorded.sources(quiet, settings())
    with pytest.raises(NoMetrics, match=r"influxdb has it for [01] of \d+ running hosts"):
        found.fetch([query], quiet.cluster)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (Wish(), "name a strategy or a goal"),
        (Wish(goal="peace"), "there is no goal peace; there are airflow"),
        (Wish(goal="dummy", parameters={"a": 1}), "parameters need a strategy"),
        (Wish("dummy", "server_consolidation"), "serves the goal dummy, not"),
    ],
)
def test_a_wish_is_checked_as_the_api_checks_an_audit(wish, says):
    with pytest.raises(Invalid, match=says):
        simulation.asked(wish)


def test_a_goal_chooses_as_an_engine_does(snapshot):
    assert simulation.run(snapshot, Wish(goal="workload_balancing"), settings()).case.name in (
        "allocation_balance",
        "workload_balance",
    )


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"watcher_applier": {"parallel_total": "many"}}, r"\[watcher_applier\] parallel_total"),
        ({"watcher_applier": {"parallel_total": -1}}, "cannot be -1"),
        ({"watcher_planners.weight": {"weights": 5}}, "weights"),
        ({"watcher_applier": []}, "no object"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(given, says):
    with pytest.raises(Invalid, match=says):
        recorded.use(given, settings())


def test_settings_are_defaults_and_unknown_ones_are_told():
    conf = settings()
    given = {"watcher_applier": {"parallel_total": 3}, "vendor": {"x": 1}, "database": {"y": 2}}
    assert recorded.use(given, conf) == ["[vendor] x", "[database] y"]
    assert conf.watcher_applier.parallel_total == 3


def test_a_strategy_with_data_sources_of_its_own_has_answers_of_its_own(snapshot):
    conf = settings()
    conf.set_override("datasources", ["gnocchi"], "watcher_strategies.workload_balance")
    asked = simulation.queries({"workload_balance": {}, "basic": {}}, conf)
    assert set(asked) == {None, "workload_balance"}
    (query,) = asked["workload_balance"]
    column = np.full(len(snapshot.cluster.instances), 7.0)
    mine = Answer(replace(query, required=True), column, "gnocchi", strategy="workload_balance")
    both = replace(snapshot, answers=(*snapshot.answers, mine))
    found = recorded.sources(both, settings())
    own = found.fetch([query], snapshot.cluster, "workload_balance")
    assert own[query].tolist() == column.tolist()
    assert found.fetch([query], snapshot.cluster)[query].tolist() != column.tolist()
