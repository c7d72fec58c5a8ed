# SPDX-License-Identifier: Apache-2.0
"""The Python SDK of python-watcherclient: every method of every manager, with every keyword."""

import pytest
from watcherclient import client
from watcherclient.common.apiclient import exceptions

from tests.cloud.api import login

NOPS = ("nop", "nop", "sleep")


def replaced(**values):
    return [{"op": "replace", "path": f"/{key}", "value": value} for key, value in values.items()]


def uuids(rows):
    return [row.uuid for row in rows]


def paged(manager, key, **filters):
    """What all lists can do, and that keywords do it; the rows in the order they are kept."""
    rows = manager.list(limit=0, **filters)
    falling = manager.list(sort_key=key, sort_dir="desc", **filters)
    values = [getattr(row, key) for row in rows]
    assert [getattr(row, key) for row in falling] == sorted(values, reverse=True)
    assert [row.to_dict() for row in manager.list(limit=1, **filters)] == [
        row.to_dict() for row in rows[:1]
    ]
    full = manager.list(detail=True, **filters)
    assert all(brief.to_dict().items() <= whole.to_dict().items()
               for brief, whole in zip(rows, full, strict=True))  # fmt: skip
    return rows


def after_the_first(manager, rows, **filters):
    """The keyword ``marker``."""
    assert uuids(manager.list(marker=rows[0].uuid, **filters)) == uuids(rows[1:])


@pytest.fixture(scope="module")
def audit(sdk, watcher):
    """An audit by the SDK that has succeeded."""
    made = sdk.audit.create(
        audit_type="ONESHOT", goal="dummy", strategy="dummy", name="sdk", parameters={"para1": 1.0}
    )
    watcher.ended("audits", made.uuid)
    return made


def test_goals_and_strategies(sdk):
    goals = paged(sdk.goal, "name")
    after_the_first(sdk.goal, goals)
    goal = sdk.goal.get("dummy")
    assert goal.uuid in uuids(goals)
    strategies = paged(sdk.strategy, "name")
    after_the_first(sdk.strategy, strategies)
    (strategy,) = (one for one in sdk.strategy.list(goal=goal.uuid) if one.name == "dummy")
    assert sdk.strategy.get("dummy").to_dict().items() >= strategy.to_dict().items()
    *_, last = sdk.strategy.state("dummy")
    assert (last.type, last.state) == ("Name", "dummy")


def test_audit_templates(sdk):
    scope = [{"compute": [{"host_aggregates": [{"name": "rack-a"}]}]}]
    first = sdk.audit_template.create(
        name="sdk-1", description="one", goal="dummy", strategy="dummy", scope=scope,
        default_parameters={"para1": 2.0},
    )  # fmt: skip
    second = sdk.audit_template.create(name="sdk-2", goal="server_consolidation")
    rows = paged(sdk.audit_template, "name")
    after_the_first(sdk.audit_template, rows)
    assert uuids(rows) == [first.uuid, second.uuid]
    assert uuids(sdk.audit_template.list(goal="dummy", strategy="dummy")) == [first.uuid]
    assert uuids(sdk.audit_template.list(name="sdk-2")) == [second.uuid]
    assert sdk.audit_template.get("sdk-1").default_parameters == {"para1": 2.0}
    changed = sdk.audit_template.update(first.uuid, replaced(description="other"))
    assert (changed.description, changed.scope) == ("other", scope)
    for one in (first, second):
        sdk.audit_template.delete(one.uuid)
    assert sdk.audit_template.list() == []


def test_audits(sdk, audit):
    template = sdk.audit_template.create(name="for-audits", goal="dummy", strategy="dummy")
    planned = sdk.audit.create(
        audit_type="CONTINUOUS", audit_template_uuid=template.uuid, interval="3600",
        auto_trigger=True, force=True, start_time="2099-01-01T00:00:00",
        end_time="2099-02-01T00:00:00",
    )  # fmt: skip
    assert (planned.interval, planned.auto_trigger, planned.force) == ("3600", True, True)
    assert (planned.start_time, planned.end_time) == (
        *("2099-01-01T00:00:00", "2099-02-01T00:00:00"),
    )
    rows = paged(sdk.audit, "uuid", goal="dummy", strategy="dummy")
    after_the_first(sdk.audit, rows, goal="dummy", strategy="dummy")
    assert {audit.uuid, planned.uuid} <= set(uuids(rows))
    assert uuids(sdk.audit.list(audit_template=template.uuid)) == [planned.uuid]
    assert sdk.audit.get("sdk").state == "SUCCEEDED"
    assert sdk.audit.update(planned.uuid, replaced(interval="60")).interval == "60"
    assert sdk.audit.update(planned.uuid, replaced(state="CANCELLED")).state == "CANCELLED"
    sdk.audit.delete(planned.uuid)
    with pytest.raises(exceptions.NotFound, match=planned.uuid):
        sdk.audit.get(planned.uuid)
    sdk.audit_template.delete(template.uuid)


def test_plans_and_actions(sdk, audit, watcher):
    (plan,) = sdk.action_plan.list(audit=audit.uuid)
    assert sdk.action_plan.get(plan.uuid).state == "RECOMMENDED"
    plans = paged(sdk.action_plan, "uuid")
    after_the_first(sdk.action_plan, plans)
    actions = paged(sdk.action, "uuid", action_plan=plan.uuid)
    after_the_first(sdk.action, actions, action_plan=plan.uuid)
    assert tuple(one.action_type for one in actions) == NOPS
    assert uuids(sdk.action.list(audit=audit.uuid)) == uuids(actions)
    skipped = sdk.action.update(actions[0].uuid, replaced(state="SKIPPED", status_message="why"))
    assert skipped.status_message == "Action skipped by user. Reason: why"
    assert sdk.action_plan.start(plan.uuid).state == "PENDING"
    watcher.ended("action_plans", plan.uuid)
    states = [sdk.action.get(one.uuid).state for one in actions]
    assert states == ["SKIPPED", "SUCCEEDED", "SUCCEEDED"]

    other = sdk.audit.create(audit_type="ONESHOT", goal="dummy", strategy="dummy")
    watcher.ended("audits", other.uuid)
    (first,) = sdk.action_plan.list(audit=other.uuid)
    assert sdk.action_plan.cancel(first.uuid).state == "CANCELLED"
    another = sdk.audit.create(audit_type="ONESHOT", goal="dummy", strategy="dummy")
    watcher.ended("audits", another.uuid)
    (second,) = sdk.action_plan.list(audit=another.uuid)
    ended = sdk.action_plan.update(second.uuid, replaced(state="CANCELLED"))
    assert (ended.state, ended.status_message) == ("CANCELLED", "Cancelled by user.")
    for one in (plan, first, second):
        sdk.action_plan.delete(one.uuid)
        with pytest.raises(exceptions.NotFound, match=one.uuid):
            sdk.action_plan.get(one.uuid)


def test_services_engines_and_the_data_model(sdk, audit):
    services = paged(sdk.service, "name")
    assert {one.status for one in services} == {"ACTIVE"}
    assert sdk.service.get(services[0].id).name == services[0].name
    engines = paged(sdk.scoring_engine, "name")
    for one in engines[:1]:
        assert sdk.scoring_engine.get(one.name).uuid == one.uuid
    with pytest.raises(exceptions.NotFound, match="nothing"):
        sdk.scoring_engine.get("nothing")
    seen = sdk.data_model.list(data_model_type="compute", audit=audit.uuid)
    assert seen.context == sdk.data_model.list().context
    assert seen.context


def test_a_client_with_a_token_and_an_address_asks_no_keystone(watcher):
    """As the dashboard makes it; without a version it sends 1.5."""
    token = login(watcher.settings).get_token()
    made = client.Client(
        "1", f"http://127.0.0.1:{watcher.port}/v1/", token=token, timeout=30, insecure=False
    )
    assert made.goal.get("dummy").name == "dummy"
    with pytest.raises(exceptions.Unauthorized):
        client.Client("1", f"http://127.0.0.1:{watcher.port}", token="wrong").goal.list()
