# SPDX-License-Identifier: Apache-2.0
"""What an endpoint shows of a whole Watcher that has run an audit and a plan."""

import dataclasses

import pytest

from tests.cloud.process import free_port
from tests.functional.standalone import standalone
from tests.telemetry import Scrape, health
from watcher.core.errors import ServiceDown
from watcher.db.engine import Database
from watcher.exporter.endpoint import API, Endpoint
from watcher.telemetry import gauges
from watcher.telemetry.pulse import Pulse

METRICS = "[metrics]\nenabled = true\n"


@dataclasses.dataclass
class Shown:
    watcher: object
    endpoint: Endpoint
    before: Scrape
    after: Scrape
    plan: dict
    actions: list


def serve(conf, database, bus, parts, program="watcher-standalone"):
    made = Endpoint(program, conf, database, bus, parts, [free_port()])
    made.start()
    return made


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Before and after a consolidation that is carried out."""
    with standalone(tmp_path_factory.mktemp("endpoint"), more=METRICS) as watcher:
        parts = (watcher.engine, watcher.applier)
        endpoint = serve(watcher.bus.conf, watcher.database, watcher.bus, parts)
        before = Scrape(endpoint.port)
        audit = watcher.audit("server_consolidation", "vm_workload_consolidation")
        plan = watcher.execute(watcher.plan_of(audit))
        actions = watcher.actions_of(plan)
        yield Shown(watcher, endpoint, before, Scrape(endpoint.port), plan, actions)
        endpoint.stop()


@pytest.fixture
def risen(shown):
    """How far a counter rose meanwhile; other tests of this process have counted too."""

    def rise(name, **labels):
        key = (f"watcher_{name}", frozenset(labels.items()))
        return shown.after.series.get(key, 0) - shown.before.series.get(key, 0)

    return rise


def test_audits_and_plans_are_counted_by_state_as_the_database_has_them(shown):
    assert shown.after("audits", state="SUCCEEDED") == 1
    assert shown.after("audits", state="FAILED") == 0
    assert shown.after("action_plans", state="SUCCEEDED") == 1
    assert shown.after("action_plans", state="RECOMMENDED") == 0
    assert set(shown.after.all("actions", "state")) == {"PENDING", "ONGOING", "CANCELLING"}
    assert sum(shown.after.all("actions", "state").values()) == 0


def test_each_move_of_a_state_is_counted_once(shown, risen):
    for kind, states in {
        "audit": ("PENDING", "ONGOING", "SUCCEEDED"),
        "action_plan": ("RECOMMENDED", "PENDING", "ONGOING", "SUCCEEDED"),
    }.items():
        for state in states:
            assert risen("state_changes_total", kind=kind, state=state) == 1, (kind, state)
    for state in ("PENDING", "ONGOING", "SUCCEEDED"):
        assert risen("state_changes_total", kind="action", state=state) == len(shown.actions)


def test_migrations_are_counted_by_type_and_outcome(shown, risen):
    kinds = [
        one["input_parameters"]["migration_type"]
        for one in shown.actions
        if one["action_type"] == "migrate"
    ]
    assert kinds
    for kind in set(kinds):
        assert risen("migrations_total", type=kind, state="SUCCEEDED") == kinds.count(kind)
    assert shown.after("migrations_running", type="live") == 0


def test_runs_are_timed(shown, risen):
    assert (
        risen("audit_run_duration_seconds_count", goal="server_consolidation", outcome="succeeded")
        == 1
    )
    assert risen("action_plan_duration_seconds_count", state="SUCCEEDED") == 1
    took_s = risen("action_plan_duration_seconds_sum", state="SUCCEEDED")
    types = {one["action_type"] for one in shown.actions}
    for kind in types:
        labels = {"action_type": kind, "state": "SUCCEEDED"}
        number = sum(one["action_type"] == kind for one in shown.actions)
        assert risen("action_duration_seconds_count", **labels) == number
        assert 0 <= risen("action_duration_seconds_sum", **labels) < 6 * took_s


def test_a_source_shows_how_long_it_took_and_how_much_it_had(shown, risen):
    labels = {"source": "influxdb", "metric": "instance_cpu_usage"}
    assert risen("datasource_fetch_duration_seconds_count", outcome="answered", **labels) == 1
    assert shown.after("datasource_coverage_ratio", **labels) == 1
    assert 0 <= shown.after("datasource_sample_age_seconds", **labels) < 600


def test_the_model_shows_its_age_and_size(shown):
    assert 0 < shown.after("model_age_seconds", model="compute") < 60
    assert shown.after("model_period_seconds", model="compute") == 3600
    assert shown.after("model_objects", kind="hosts") == 8
    assert shown.after("model_objects", kind="instances") == 40


def test_refusals_are_counted_by_kinds_of_reasons(shown):
    subjects = shown.after.all("refusals_total", "subject")
    assert subjects["destination"] > 0


def test_requests_are_measured_by_route(shown, risen):
    labels = {"route": "/v1/audits", "method": "POST", "status": "201"}
    assert risen("api_request_duration_seconds_count", **labels) == 1
    labels = {"route": "/v1/action_plans/{id}/start", "method": "POST", "status": "200"}
    assert risen("api_request_duration_seconds_count", **labels) == 1
    assert risen("rpc_messages_sent_total", method="trigger_audit", outcome="sent") == 1
    assert risen("rpc_messages_sent_total", method="launch_action_plan", outcome="sent") == 1


def test_what_is_at_work_is_shown_beside_the_room_there_is(shown):
    threads = shown.after.all("executor_threads", "executor")
    assert threads == {"audits": 2, "action_plans": 1, "actions": 6}
    assert set(shown.after.all("executor_queued", "executor")) == set(threads)
    assert sum(shown.after.all("executor_busy", "executor").values()) == 0


def test_the_heartbeats_of_all_daemons_are_shown(shown):
    ages = shown.after.all("service_heartbeat_age_seconds", "service")
    assert set(ages) == {"watcher-applier", "watcher-decision-engine"}
    assert all(0 <= age < 60 for age in ages.values())


def test_every_gauge_is_shown_but_those_of_what_is_not_there(shown):
    shows = {name.removeprefix("watcher_") for name in shown.after.names}
    absent = {one.name for one in (*gauges.DATABASE, *gauges.PROCESS)} - shows
    assert absent == {
        "actions_running",
        "notifications_listening",  # the bus is in this process
        *(one.name for one in (gauges.CONNECTIONS, gauges.CONNECTIONS_MOST)),  # SQLite
    }


def test_a_healthy_daemon_says_what_was_looked_at(shown):
    status, told = health(shown.endpoint.port)
    assert (status, told["healthy"], told["host"]) == (200, True, "here")
    assert {"database", "bus", "loop due-audits", "loop due-plans"} <= set(told["checks"])


def test_there_is_nothing_else(shown):
    assert health(shown.endpoint.port, "/")[0] == 404


class Stalled:
    """A part whose loop stands still and that cannot be measured."""

    pulses = (Pulse("due-audits", -1),)

    def readings(self):
        raise KeyError("model")


def test_without_its_database_a_daemon_shows_the_rest_and_says_what_is_wrong(shown, tmp_path):
    folder = tmp_path / "database"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/watcher.sqlite")
    database.upgrade()
    database.dispose()
    folder.rename(tmp_path / "elsewhere")
    parts = (shown.watcher.engine, Stalled())
    endpoint = serve(shown.watcher.bus.conf, database, shown.watcher.bus, parts)
    scrape = Scrape(endpoint.port)
    assert scrape("database_up") == 0
    assert scrape("model_age_seconds", model="compute") > 0
    assert "watcher_audits" not in scrape.names
    status, told = health(endpoint.port)
    assert (status, told["healthy"]) == (503, False)
    assert "does not answer" in told["checks"]["database"]["reason"]
    assert "not come round" in told["checks"]["loop due-audits"]["reason"]
    assert told["checks"]["bus"] == {"healthy": True}
    endpoint.stop()


def test_the_api_leaves_what_the_database_counts_to_the_other_daemons(shown):
    conf = shown.watcher.bus.conf
    endpoint = serve(conf, shown.watcher.database, shown.watcher.bus, (), program=API)
    scrape = Scrape(endpoint.port)
    endpoint.stop()
    assert scrape("database_up") == 1
    assert not {f"watcher_{one.name}" for one in gauges.DATABASE} & scrape.names


def test_a_port_that_is_taken_is_passed_by_while_there_are_others(shown):
    conf, taken, free = shown.watcher.bus.conf, shown.endpoint.port, free_port()
    given = (API, conf, shown.watcher.database, shown.watcher.bus, ())
    second = Endpoint(*given, [taken, free])
    second.start()
    assert second.port == free
    second.stop()
    with pytest.raises(ServiceDown, match=rf"\[metrics\] host and port: 127.0.0.1:{taken}"):
        Endpoint(*given, [taken])
