# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.solution: the parameter names are contract."""

from watcher.core import solution


def test_a_migration_names_hosts_and_the_instance():
    action = solution.migrate("u1", "c1", "c2", kind="cold", name="web")
    assert action.type == "migrate"
    assert action.input_parameters == {
        "migration_type": "cold",
        "source_node": "c1",
        "destination_node": "c2",
        "resource_name": "web",
        "resource_id": "u1",
    }


def test_a_migration_may_leave_the_destination_to_nova():
    action = solution.migrate("u1", "c1")
    assert action.parameters == {"migration_type": "live", "source_node": "c1"}


def test_a_host_is_disabled_with_a_reason():
    action = solution.disable_host("h1", "c1", solution.DISABLED_FOR_MAINTENANCE)
    assert action.type == "change_nova_service_state"
    assert action.input_parameters == {
        "state": "disabled",
        "disabled_reason": "watcher_maintaining",
        "resource_name": "c1",
        "resource_id": "h1",
    }


def test_a_host_is_enabled():
    assert solution.enable_host("h1", "c1").input_parameters == {
        "state": "enabled",
        "resource_name": "c1",
        "resource_id": "h1",
    }


def test_an_instance_is_stopped():
    action = solution.stop("u1")
    assert (action.type, action.input_parameters) == ("stop", {"resource_id": "u1"})


def test_an_instance_is_given_a_flavor():
    action = solution.resize("u1", "m1.large")
    assert (action.type, action.input_parameters) == (
        "resize",
        {"flavor": "m1.large", "resource_id": "u1"},
    )


def test_nop_and_sleep_are_about_no_resource():
    assert solution.nop("hello").input_parameters == {"message": "hello"}
    assert solution.nop(None).input_parameters == {"message": None}
    assert solution.sleep(2.5).input_parameters == {"duration": 2.5}


def test_our_reasons_are_known_by_their_beginning():
    ours = (solution.DISABLED_BY_CONSOLIDATION, solution.DISABLED_FOR_MAINTENANCE)
    assert all(reason.startswith(solution.OUR_REASONS) for reason in ours)


def test_an_empty_solution_has_nothing():
    empty = solution.Solution()
    assert (empty.actions, dict(empty.indicators), empty.notes) == ((), {}, ())


def test_volumes_and_machines_have_actions_of_their_own():
    assert solution.migrate_volume("u", "h@b#p", name="v").input_parameters == {
        "migration_type": "migrate",
        "destination_node": "h@b#p",
        "resource_name": "v",
        "resource_id": "u",
    }
    assert solution.retype_volume("u", "gold").input_parameters == {
        "migration_type": "retype",
        "destination_type": "gold",
        "resource_id": "u",
    }
    assert solution.power("m", "c1", on=False).parameters == {
        "state": "off",
        "resource_name": "c1",
    }
    assert solution.power("m", "c1", on=True).parameters["state"] == "on"


def test_what_an_action_changes_and_what_it_only_uses():
    move = solution.migrate("vm", "a", "b")
    assert solution.touched(move.type, move.input_parameters) == (
        {"instance:vm"},
        {"host:a", "host:b"},
    )
    empty = solution.disable_host("uuid", "a", "watcher_disabled")
    assert solution.touched(empty.type, empty.input_parameters) == ({"host:a"}, frozenset())
    volume = solution.migrate_volume("v", "h@b#p")
    assert solution.touched(volume.type, volume.input_parameters) == (
        {"volume:v"},
        {"pool:h@b#p"},
    )
    assert solution.touched("nop", {"message": "x"}) == (frozenset(), frozenset())


def test_a_resize_names_the_flavor():
    assert solution.resize("u", "small").input_parameters == {
        "flavor": "small",
        "resource_id": "u",
    }
