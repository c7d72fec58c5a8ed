# SPDX-License-Identifier: Apache-2.0
import contextlib

import pytest

from tests.vendor import STRATEGY, installed
from watcher import plugins
from watcher.core.errors import AlreadyExists
from watcher.db import models, store
from watcher.db.engine import Database
from watcher.decision_engine.sync import sync

CHANGED = STRATEGY.replace("Vendor strategy", "Better strategy").replace(
    "pass", 'size: int = param(1, "How much.")'
)
NAMES = {"watcher_goals": {"vendor": "GOAL"}, "watcher_strategies": {"vendor": "Base"}}


@pytest.fixture
def announced():
    return []


@pytest.fixture
def database(tmp_path, announced):
    database = Database(f"sqlite:///{tmp_path / 'w.sqlite'}", announced.extend)
    database.upgrade()
    yield database
    database.dispose()


def folder(tmp_path, name):
    made = tmp_path / name
    made.mkdir()
    return made


def row(database, model, name):
    with database.reading() as session:
        return store.get(session, model, name, deleted=True)


def shown(database):
    """uuid and columns of every goal and strategy that there is."""
    with database.reading() as session:
        return {
            (model.__name__, one.name): (one.uuid, one.display_name, one.updated_at)
            for model in (models.Goal, models.Strategy)
            for one in store.every(session, model)
        }


def things(database, *states):
    """Audits in these states, each with a plan, of the vendor's strategy; and a template."""
    with database.writing() as session:
        goal = store.get(session, models.Goal, "vendor")
        strategy = store.get(session, models.Strategy, "vendor")
        ids = {"goal_id": goal.id, "strategy_id": strategy.id}
        store.add(
            session,
            models.AuditTemplate(name="template", default_parameters={"size": 2}, **ids),
        )
        for audit_state, plan_state in states:
            audit = models.Audit(
                name=f"{audit_state}-{plan_state}", audit_type="ONESHOT", state=audit_state, **ids
            )
            store.add(session, audit)
            plan = models.ActionPlan(audit_id=audit.id, strategy_id=strategy.id, state=plan_state)
            store.add(session, plan)


def states(database):
    """Name of each audit -> what became of it and its plan, with the reasons."""
    with database.reading() as session:
        plans = store.every(session, models.ActionPlan, load=("audit",))
        return {
            plan.audit.name: (
                (plan.audit.state, plan.audit.status_message),
                (plan.state, plan.status_message),
            )
            for plan in plans
        }


def test_all_that_is_installed_gets_a_row(database):
    sync(database)
    names = {name for kind, name in shown(database) if kind == "Strategy"}
    assert names == set(plugins.strategies())
    strategy = row(database, models.Strategy, "host_maintenance")
    assert strategy.parameters_spec["required"] == ["maintenance_node"]


def test_a_second_time_changes_nothing(database):
    sync(database)
    before = shown(database)
    sync(database)
    assert shown(database) == before


def test_a_changed_plugin_keeps_its_uuid(database, tmp_path):
    with installed(folder(tmp_path, "a"), STRATEGY, **NAMES):
        sync(database)
    before = row(database, models.Strategy, "vendor")
    assert (before.display_name, before.parameters_spec["properties"]) == ("Vendor strategy", {})
    with installed(folder(tmp_path, "b"), CHANGED, **NAMES):
        sync(database)
    after = row(database, models.Strategy, "vendor")
    assert after.uuid == before.uuid
    assert after.display_name == "Better strategy"
    assert set(after.parameters_spec["properties"]) == {"size"}


def test_what_waits_for_a_lost_strategy_is_cancelled_with_the_reason(database, tmp_path):
    with installed(folder(tmp_path, "a"), STRATEGY, **NAMES):
        sync(database)
        pairs = [("PENDING", "RECOMMENDED"), ("ONGOING", "PENDING"), ("SUCCEEDED", "SUCCEEDED")]
        things(database, *pairs, ("FAILED", "ONGOING"))
    kept = {"watcher_goals": NAMES["watcher_goals"]}
    with installed(folder(tmp_path, "b"), STRATEGY, **kept):
        sync(database)
    reason = "Strategy vendor is no longer installed."
    assert states(database) == {
        "PENDING-RECOMMENDED": (("CANCELLED", reason), ("CANCELLED", reason)),
        "ONGOING-PENDING": (("CANCELLED", reason), ("CANCELLED", reason)),
        "SUCCEEDED-SUCCEEDED": (("SUCCEEDED", None), ("SUCCEEDED", None)),
        "FAILED-ONGOING": (("FAILED", None), ("ONGOING", None)),
    }
    assert row(database, models.Strategy, "vendor").deleted
    template = row(database, models.AuditTemplate, "template")
    assert template.goal_id == row(database, models.Goal, "vendor").id
    assert (template.strategy_id, template.default_parameters) == (None, {})


def test_a_lost_goal_takes_its_strategies_along(database, tmp_path):
    with installed(folder(tmp_path, "a"), STRATEGY, **NAMES):
        sync(database)
        things(database, ("PENDING", "RECOMMENDED"))
    sync(database)
    assert row(database, models.Goal, "vendor").deleted
    assert row(database, models.Strategy, "vendor").deleted
    ((audit, plan),) = states(database).values()
    assert audit == ("CANCELLED", "Goal vendor is no longer installed.")
    assert plan == ("CANCELLED", "Strategy vendor is no longer installed.")


def test_a_plugin_that_comes_back_gets_a_row_again(database, tmp_path):
    with installed(folder(tmp_path, "a"), STRATEGY, **NAMES):
        sync(database)
    sync(database)
    with installed(folder(tmp_path, "b"), STRATEGY, **NAMES):
        sync(database)
        assert ("Strategy", "vendor") in shown(database)


def test_a_plugin_that_cannot_be_loaded_keeps_its_row_and_its_audits(database, tmp_path):
    with installed(folder(tmp_path, "a"), STRATEGY, **NAMES):
        sync(database)
        things(database, ("PENDING", "RECOMMENDED"))
    before = shown(database)
    with installed(folder(tmp_path, "b"), "import no_such_module", **NAMES):
        sync(database)
    assert shown(database) == before
    assert states(database)["PENDING-RECOMMENDED"] == (("PENDING", None), ("RECOMMENDED", None))


SCORER = """
class Scorer:
    name = "vendor_scorer"
    description = "Judges."
    metainfo = ""
    def calculate_score(self, features):
        return "[1]"

def several():
    return [Scorer()]
"""
CONTAINER = {plugins.SCORER_CONTAINERS: {"vendor": "several"}}


def scorers(database):
    with database.reading() as session:
        return {one.name: one for one in store.every(session, models.ScoringEngine)}


def test_scoring_engines_follow_what_is_installed(database, tmp_path):
    with installed(folder(tmp_path, "a"), SCORER, **CONTAINER):
        sync(database)
    found = scorers(database)
    ours = {"dummy_scorer", "dummy_min_scorer", "dummy_max_scorer", "dummy_avg_scorer"}
    assert set(found) == {"vendor_scorer", *ours}
    assert found["vendor_scorer"].description == "Judges."
    assert "workloads" in found["dummy_scorer"].metainfo
    assert found["dummy_avg_scorer"].metainfo == ""
    sync(database)
    assert set(scorers(database)) == ours


def test_scoring_engines_of_a_container_that_cannot_be_loaded_stay(database, tmp_path):
    with installed(folder(tmp_path, "a"), SCORER, **CONTAINER):
        sync(database)
    with installed(folder(tmp_path, "b"), "import no_such_module", **CONTAINER):
        sync(database)
    assert "vendor_scorer" in scorers(database)


def test_a_strategy_whose_goal_is_not_installed_is_not_shown(database, tmp_path):
    only = {"watcher_strategies": NAMES["watcher_strategies"]}
    with installed(folder(tmp_path, "a"), STRATEGY, **only):
        sync(database)
    assert ("Strategy", "vendor") not in shown(database)


def test_engines_that_start_at_the_same_time_do_not_disturb_each_other(database, monkeypatch):
    writing, taken = database.writing, []

    @contextlib.contextmanager
    def slower():
        with writing() as session:
            yield session
            if len(taken) < 2:
                taken.append(1)
                session.rollback()
                raise AlreadyExists("Goal dummy exists already")

    monkeypatch.setattr(database, "writing", slower)
    sync(database)
    assert len(taken) == 2
    assert ("Goal", "dummy") in shown(database)
