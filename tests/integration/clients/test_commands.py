# SPDX-License-Identifier: Apache-2.0
"""Every subcommand of ``openstack optimize`` and of ``watcher`` on the real daemons.

Columns are those of python-watcherclient 4.11. The dummy strategy moves no server.
"""

import json

from tests.integration import daemons

NOBODY = "00000000-0000-0000-0000-000000000000"
NOPS = ("nop", "nop", "sleep")
FAR = ("--start-time", "2099-01-01 00:00:00", "--end-time", "2099-02-01 00:00:00")
WITH_STAMPS = {"Created At", "Updated At", "Deleted At"}


def names(rows):
    return [row["Name"] for row in rows]


def listed(front, kind, key):
    """What all lists have in common: order, limit, marker, details; the rows as they come."""
    plain = (kind, "list")
    rows, falling, rising, limited, detail = front.all(
        plain,
        (*plain, "--sort-key", key, "--sort-dir", "desc", "--limit", "0"),
        (*plain, "--sort-key", key, "--sort-dir", "asc"),
        (*plain, "--limit", "1"),
        (*plain, "--detail"),
    )
    assert rising == sorted(rows, key=lambda row: row[key])
    assert falling == sorted(rows, key=lambda row: row[key], reverse=True)
    assert limited == rows[:1]
    ident = "ID" if kind == "service" else "UUID"
    assert [row[ident] for row in detail] == [row[ident] for row in rows]
    assert all(set(row) < set(full) for row, full in zip(rows, detail, strict=True))
    if kind not in ("service", "scoringengine"):
        assert front(*plain, "--marker", rows[0]["UUID"]) == rows[1:]
        assert NOBODY in front.refused(*plain, "--marker", NOBODY)
    return rows


def finished(watcher, audit):
    """The only plan of an audit once the audit has succeeded."""
    row = watcher.ended("audits", audit["UUID"])
    assert row["state"] == "SUCCEEDED", row["status_message"]
    return watcher.plan_of(audit["UUID"])["uuid"]


def dummy(front, *words):
    return front("audit", "create", "-g", "dummy", "-s", "dummy", "-p", "para1=1", *words)


def test_goals(front):
    rows = listed(front, "goal", "Name")
    assert all(set(row) == {"UUID", "Name", "Display name"} for row in rows)
    shown = {row["Name"]: row for row in rows}
    assert shown["dummy"]["Display name"] == "Dummy goal"
    assert shown["server_consolidation"]["Display name"] == "Server Consolidation"
    uuid = shown["server_consolidation"]["UUID"]
    one, other = front.all(("goal", "show", uuid), ("goal", "show", "server_consolidation"))
    assert one == other
    first, second, *_ = one["Efficacy specification"]
    assert first["name"] == "compute_nodes_count"
    assert json.loads(second["schema"]) == {"type": "integer", "minimum": 0}
    table, details = front.tables(("goal", "show", uuid), ("goal", "list", "--detail"))
    assert second["description"] in table
    assert "released_compute_nodes_count" in details
    assert "Goal nothing could not be found (HTTP 404)" in front.refused("goal", "show", "nothing")


def test_strategies(front):
    rows = listed(front, "strategy", "Name")
    assert all(set(row) == {"UUID", "Name", "Display name", "Goal"} for row in rows)
    assert {"actuator", "dummy", "host_maintenance", "workload_balance"} <= set(names(rows))
    mine, none, one = front.all(
        ("strategy", "list", "--goal", "server_consolidation"),
        ("strategy", "list", "--goal", "noisy_neighbor", "--marker", rows[-1]["UUID"]),
        ("strategy", "show", "dummy"),
    )
    assert {row["Goal"] for row in mine} == {"server_consolidation"}
    assert "vm_workload_consolidation" in names(mine)
    assert none == []
    assert (one["Display name"], one["Goal"]) == ("Dummy strategy", "dummy")
    parameters = json.loads(one["Parameters spec"])
    assert parameters["para1"]["default"] == 3.2
    assert parameters["para2"]["default"] == "hello"
    assert "Strategy nothing could" in front.refused("strategy", "show", "nothing")


def test_the_state_of_a_strategy(front):
    needy, modest = front.all(
        ("strategy", "state", "vm_workload_consolidation"), ("strategy", "state", "dummy")
    )
    source, metrics, models, name = needy
    assert (source["Type"], source["State"]) == ("Datasource", "influxdb: available")
    assert (source["Mandatory"], source["Comment"]) == (True, "")
    assert {"instance_cpu_usage": "available"} in json.loads(metrics["State"])
    assert {"compute_model": "available"} in json.loads(models["State"])
    assert (name["Type"], name["State"]) == ("Name", "vm_workload_consolidation")
    assert modest[0]["State"] == "This strategy needs no data source"
    assert json.loads(modest[1]["State"]) == []
    assert "(HTTP 404)" in front.refused("strategy", "state", "nothing")


def test_audit_templates(front, tmp_path):
    scope = tmp_path / "scope.yaml"
    scope.write_text("- compute:\n  - host_aggregates:\n    - name: rack-a\n")
    create = ("audittemplate", "create")
    full = front(
        *(*create, "full", "dummy", "-s", "dummy", "-d", "some words", "--scope", str(scope)),
        *("-p", "para1=5.5", "-p", "para2=you"),
    )
    assert set(full) - WITH_STAMPS == {
        *("UUID", "Description", "Name", "Goal", "Strategy", "Audit Scope", "Default Parameters"),
    }
    assert (full["Goal"], full["Strategy"], full["Description"]) == (
        "dummy",
        "dummy",
        "some words",
    )
    assert full["Default Parameters"] == {"para1": 5.5, "para2": "you"}
    assert full["Audit Scope"] == [{"compute": [{"host_aggregates": [{"name": "rack-a"}]}]}]
    bare = front(*create, "bare", "server_consolidation")
    assert (bare["Strategy"], bare["Description"], bare["Audit Scope"]) == (None, None, [])
    assert bare["Created At"]
    assert bare["Updated At"] is None

    rows = listed(front, "audittemplate", "Name")
    assert names(rows) == ["full", "bare"]
    show = ("audittemplate", "show")
    one, other, mine, none = front.all(
        *((*show, "full"), (*show, full["UUID"])),
        ("audittemplate", "list", "--goal", "dummy"),
        ("audittemplate", "list", "--goal", "server_consolidation", "--strategy", "dummy"),
    )
    assert one == other == full
    assert (names(mine), none) == (["full"], [])

    update = ("audittemplate", "update")
    assert front(*update, "full", "replace", "description=others")["Description"] == "others"
    assert front(*update, "full", "remove", "description")["Description"] is None
    assert front(*update, "bare", "add", "name=barest")["Name"] == "barest"
    assert "exists already" in front.refused(*create, "full", "dummy")
    assert "(HTTP 400)" in front.refused(*update, "full", "replace", "uuid=1")
    assert "Audit template nothing could not be found" in front.refused(*show, "nothing")
    front.quiet("audittemplate", "delete", "full", bare["UUID"])
    assert front("audittemplate", "list") == []


def test_audits_in_all_forms(front, watcher):
    create, suffix = ("audit", "create"), front.program
    template = front(
        *("audittemplate", "create", f"t-{suffix}", "dummy", "-s", "dummy", "-p", "para1=2.5")
    )
    by_goal, by_name, by_uuid, seconds, cron, event = front.all(
        (*create, "-g", "dummy", "-t", "ONESHOT"),
        (*create, "-a", f"t-{suffix}", "--name", f"by-name-{suffix}"),
        (*create, "-a", template["UUID"], "-p", "para2=you"),
        (*create, "-g", "dummy", "-t", "CONTINUOUS", "-i", "3600", *FAR, "--force"),
        (*create, "-g", "dummy", "-t", "CONTINUOUS", "-i", "*/5 * * * *", *FAR, "--auto-trigger"),
        (*create, "-g", "dummy", "--audit_type", "EVENT"),
    )
    assert by_goal["Strategy"] == "auto"
    assert by_goal["Name"].startswith("dummy-2")
    assert (by_name["Name"], by_name["Strategy"]) == (f"by-name-{suffix}", "dummy")
    assert by_name["Parameters"] == {"para1": 2.5, "para2": "hello"}
    assert by_uuid["Parameters"]["para2"] == "you"
    assert [one["State"] for one in (by_goal, seconds, event)] == ["PENDING"] * 3
    assert (seconds["Interval"], cron["Interval"]) == ("3600", "*/5 * * * *")
    assert (seconds["Force"], cron["Force"]) == (True, False)
    assert (seconds["Auto Trigger"], cron["Auto Trigger"]) == (False, True)
    assert (seconds["Start Time"], seconds["End Time"]) == (
        *("2099-01-01T00:00:00", "2099-02-01T00:00:00"),
    )
    assert event["Audit Type"] == "EVENT"
    for audit in (by_goal, by_name, by_uuid):
        finished(watcher, audit)

    rows = listed(front, "audit", "Name")
    assert set(rows[0]) == {
        *("UUID", "Name", "Audit Type", "State", "Goal", "Strategy", "Auto Trigger"),
    }
    shown, mine = front.all(
        ("audit", "show", by_name["Name"]),
        ("audit", "list", "--goal", "dummy", "--strategy", "dummy"),
    )
    assert (shown["State"], shown["Hostname"]) == ("SUCCEEDED", daemons.HOST)
    assert {by_name["UUID"], by_uuid["UUID"]} <= {row["UUID"] for row in mine}

    front.quiet("audit", "delete", *(one["UUID"] for one in (by_goal, by_name, by_uuid)))
    front.quiet("audittemplate", "delete", template["UUID"])


def test_an_audit_is_changed_cancelled_and_deleted(front):
    cron = front("audit", "create", "-g", "dummy", "-t", "CONTINUOUS", "-i", "* * * * *", *FAR)
    changed = front("audit", "update", cron["UUID"], "replace", "interval=7200", "force=true")
    assert (changed["Interval"], changed["Force"]) == ("7200", True)
    renamed = front("audit", "update", cron["UUID"], "add", f"name=other-{front.program}")
    assert renamed["Name"] == f"other-{front.program}"
    endless = front("audit", "update", cron["UUID"], "remove", "end_time")
    assert (endless["End Time"], endless["Start Time"]) == (None, cron["Start Time"])
    assert "Couldn't delete when state is" in front.refused("audit", "delete", cron["UUID"])
    ended = front("audit", "update", cron["UUID"], "replace", "state=CANCELLED")
    assert (ended["State"], ended["Status Message"]) == ("CANCELLED", "Cancelled by user.")
    refused = front.refused("audit", "update", cron["UUID"], "replace", "state=ONGOING")
    assert "State transition not allowed" in refused
    front.quiet("audit", "delete", cron["UUID"])
    assert "(HTTP 404)" in front.refused("audit", "show", cron["UUID"])


def test_a_plan_is_read_skipped_in_part_started_and_deleted(front, watcher):
    audit = dummy(front, "--name", f"plan-{front.program}")
    plan = finished(watcher, audit)
    shown, brief, detail, actions, same = front.all(
        ("actionplan", "show", plan),
        ("actionplan", "list", "--audit", audit["UUID"]),
        ("actionplan", "list", "--audit", audit["UUID"], "--detail"),
        ("action", "list", "--action-plan", plan),
        ("action", "list", "--audit", audit["UUID"]),
    )
    new = {"State": "RECOMMENDED", "Updated At": None, "Global efficacy": []}
    assert brief == [{"UUID": plan, "Audit": audit["UUID"], **new}]
    assert detail == [shown]
    assert (shown["Strategy"], shown["Efficacy indicators"]) == ("dummy", [])
    assert tuple(row["Action"] for row in actions) == NOPS
    assert actions == same
    assert actions[0]["Parents"] == []
    assert {row["Action Plan"] for row in actions} == {plan}

    first, _, sleep = (row["UUID"] for row in actions)
    full = front("action", "show", sleep)
    assert (full["Parameters"], full["State"]) == ({"duration": 1}, "PENDING")
    assert full["Description"] == "Waits for a given duration in seconds."
    skip = ("action", "update", first, "--state", "SKIPPED", "--reason", "not now")
    skipped = front(*skip)
    assert skipped["Status Message"] == "Action skipped by user. Reason: not now"

    started = front("actionplan", "start", plan)
    assert started["State"] == "PENDING"
    assert "Couldn't start when state is" in front.refused("actionplan", "start", plan)
    assert watcher.ended("action_plans", plan)["state"] == "SUCCEEDED"
    states, after = front.all(
        ("action", "list", "--action-plan", plan, "--detail"), ("actionplan", "show", plan)
    )
    assert [row["State"] for row in states] == ["SKIPPED", "SUCCEEDED", "SUCCEEDED"]
    assert after["Hostname"] == daemons.HOST
    assert after["Status Message"] == "One or more actions were skipped."
    assert "(HTTP 409)" in front.refused("action", "update", sleep, "--state", "SKIPPED")

    front.quiet("audit", "delete", audit["UUID"])
    assert front("actionplan", "show", plan)["State"] == "SUCCEEDED"
    front.quiet("actionplan", "delete", plan)
    assert "(HTTP 404)" in front.refused("actionplan", "show", plan)
    assert front("action", "list", "--action-plan", plan) == []


def test_plans_are_cancelled_before_and_while_they_run(front, watcher):
    asked = front.all(*[("audit", "create", "-g", "dummy", "-s", "dummy")] * 2)
    first, second = (finished(watcher, audit) for audit in asked)
    rows = listed(front, "actionplan", "UUID")
    assert {first, second} <= {row["UUID"] for row in rows}
    assert "(HTTP 400)" in front.refused("actionplan", "update", first, "remove", "state")
    refused = front.refused("actionplan", "update", first, "add", "state=ONGOING")
    assert "State transition not allowed" in refused
    given_up = front("actionplan", "update", first, "replace", "state=CANCELLED")
    assert (given_up["State"], given_up["Status Message"]) == ("CANCELLED", "Cancelled by user.")
    listed(front, "action", "UUID")
    actions = front("action", "list", "--action-plan", first)
    assert {row["State"] for row in actions} == {"CANCELLED"}

    longer = finished(watcher, dummy(front, "-p", "para1=3"))
    front("actionplan", "start", longer)
    watcher.wait("action_plans", longer, "ONGOING")
    assert front("actionplan", "cancel", longer)["State"] in ("CANCELLING", "CANCELLED")
    assert watcher.ended("action_plans", longer)["state"] == "CANCELLED"
    assert front("actionplan", "cancel", second)["State"] == "CANCELLED"
    assert "State transition not allowed" in front.refused("actionplan", "cancel", second)
    front.quiet("actionplan", "delete", first, second, longer)


def test_an_audit_may_start_its_plan_itself(front, watcher):
    plan = finished(watcher, dummy(front, "--auto-trigger"))
    assert watcher.ended("action_plans", plan)["state"] == "SUCCEEDED"


def test_services(front):
    rows = listed(front, "service", "Name")
    assert sorted(names(rows)) == ["watcher-applier", "watcher-decision-engine"]
    assert {(row["Host"], row["Status"]) for row in rows} == {(daemons.HOST, "ACTIVE")}
    detail, one = front.all(
        ("service", "list", "--detail"), ("service", "show", "watcher-decision-engine")
    )
    assert all(row["Last seen up"] for row in detail)
    assert front("service", "show", str(one["ID"]))["Name"] == "watcher-decision-engine"
    assert "Service 999 could not be found" in front.refused("service", "show", "999")


def test_the_data_model_is_what_nova_says(front, cloud_session):
    listed = ("datamodel", "list")
    audit = front("audit", "create", "-g", "dummy", "-t", "EVENT")["UUID"]
    brief, detail, compute, seen = front.all(
        *(listed, (*listed, "--detail"), (*listed, "--type", "compute")),
        (*listed, "--audit", audit),
    )
    assert brief == compute == seen
    front("audit", "update", audit, "replace", "state=CANCELLED")
    front.quiet("audit", "delete", audit)
    servers = {row["id"]: row for row in cloud_session.servers()}
    assert {row["Server UUID"] for row in brief if row["Server UUID"]} == set(servers)
    for row in filter(lambda row: row["Server_UUID"], detail):
        server = servers[row["Server_UUID"]]
        assert row["Server Name"] == server["name"]
        assert row["Node Host Name"] == server["OS-EXT-SRV-ATTR:host"]
        assert row["Server Memory"] == server["flavor"]["ram"]
        assert row["Server Vcpus"] == server["flavor"]["vcpus"]
    settings = cloud_session.settings
    sizes = {(row["Node Vcpus"], row["Node Memory"], row["Node State"]) for row in detail}
    assert sizes == {(settings.host_vcpus, settings.host_memory_mb, "up")}
    assert "(HTTP 404)" in front.refused("datamodel", "list", "--type", "storage")


def test_scoring_engines(front):
    rows = listed(front, "scoringengine", "Name")
    for row in rows[:1]:
        shown = front("scoringengine", "show", row["Name"])
        assert row.items() < shown.items()
    assert "(HTTP 404)" in front.refused("scoringengine", "show", "nothing")


def test_a_command_of_its_own_says_the_same(front, watcher):
    """The fork server is a shortcut: a program started by a shell does as it does."""
    run = watcher.optimize if front.program == "openstack" else watcher.watcher
    assert run("strategy", "state", "dummy") == front("strategy", "state", "dummy")
