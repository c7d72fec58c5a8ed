# SPDX-License-Identifier: Apache-2.0
"""Volumes moved in the simulated Cinder, by the handler alone and by the applier."""

import threading
from typing import Any

import pytest

from tests.functional.applier.conftest import Lab
from watcher.actions.volume_migrate import VolumeMigrate
from watcher.core import parameters
from watcher.core.errors import ActionFailed, BadParameters, Skip
from watcher.core.protocols import Progress
from watcher.core.solution import Action, migrate_volume, retype_volume
from watcher.simulator.block import Volume

FAST, SLOW = "storage@fast#fast", "storage@slow#slow"


def handler(lab: Lab, action: Action) -> VolumeMigrate:
    return VolumeMigrate(lab.clients, action.input_parameters, threading.Event())


def volume(lab: Lab, kind: str = "__DEFAULT__", size_gb: int = 10, **fields: Any) -> Volume:
    """A volume on the fast pool."""
    block = lab.simulator.cinder.block
    index = len(block.volumes)
    type_id = next(one.id for one in block.types.values() if one.name == kind)
    uuid = f"00000000-0000-4000-8000-{index:012}"
    project = lab.simulator.world.projects[0].id
    one = Volume(uuid, f"v{index}", size_gb, FAST, type_id, project, 0.0, **fields)
    one.status = one.at_rest
    block.volumes[uuid] = one
    return one


def type_name(lab: Lab, one: Volume) -> str:
    return lab.simulator.cinder.block.types[one.type].name


def test_volumes_are_migrated_and_retyped_by_a_plan(lab: Lab) -> None:
    moved, retyped = volume(lab), volume(lab, "fast")
    attached = volume(lab, servers=[lab.server().uuid])
    plan = lab.plan(
        migrate_volume(moved.id, SLOW),
        retype_volume(retyped.id, "slow"),
        migrate_volume(attached.id, SLOW),
    )
    row = lab.run(plan)
    assert row.state == "SUCCEEDED", row.status_message
    assert [one.pool for one in (moved, retyped, attached)] == [SLOW] * 3
    assert type_name(lab, retyped) == "slow"
    assert (moved.status, attached.status) == ("available", "in-use")


def test_swap_is_a_word_for_migrate(lab: Lab) -> None:
    one = volume(lab)
    swap = handler(
        lab,
        Action("volume_migrate", {"migration_type": "swap", "destination_node": SLOW}, one.id),
    )
    swap.check()
    swap.perform()
    assert one.pool == SLOW


def test_what_is_done_already_is_skipped(lab: Lab) -> None:
    one = volume(lab, "fast")
    with pytest.raises(Skip, match=f"is on {FAST} already"):
        handler(lab, migrate_volume(one.id, FAST)).check()
    with pytest.raises(Skip, match="is of type fast already"):
        handler(lab, retype_volume(one.id, "fast")).check()
    with pytest.raises(Skip, match="is gone"):
        handler(lab, migrate_volume("11111111-1111-4111-8111-111111111111", SLOW)).check()


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (lambda one: migrate_volume(one, "storage@x#x"), "storage@x#x does not exist, or is down"),
        (lambda one: retype_volume(one, "gold"), "volume type gold does not exist"),
        (lambda one: migrate_volume(one, SLOW), "does not serve volume type fast"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_begun(
    lab: Lab, action: Any, reason: str
) -> None:
    with pytest.raises(ActionFailed, match=reason):
        handler(lab, action(volume(lab, "fast").id)).check()


def test_a_disabled_back_end_takes_nothing(lab: Lab) -> None:
    lab.simulator.cinder.block.pools[SLOW].enabled = False
    with pytest.raises(ActionFailed, match=f"the service of {SLOW} is disabled"):
        handler(lab, migrate_volume(volume(lab).id, SLOW)).check()


def test_a_volume_of_a_server_that_does_not_run_stays(lab: Lab) -> None:
    server = lab.server()
    one = volume(lab, servers=[server.uuid])
    server.vm_state = "stopped"
    with pytest.raises(ActionFailed, match="which is SHUTOFF; it must be ACTIVE or PAUSED"):
        handler(lab, migrate_volume(one.id, SLOW)).check()
    server.vm_state, server.locked = "active", True
    with pytest.raises(ActionFailed, match="which is locked"):
        handler(lab, migrate_volume(one.id, SLOW)).check()
    one.servers = ["22222222-2222-4222-8222-222222222222"]
    with pytest.raises(ActionFailed, match="which does not exist"):
        handler(lab, migrate_volume(one.id, SLOW)).check()


def test_a_volume_that_is_busy_is_left_alone(lab: Lab) -> None:
    one = volume(lab)
    one.status = "backing-up"
    with pytest.raises(ActionFailed, match="is backing-up; it must be available or in-use"):
        handler(lab, migrate_volume(one.id, SLOW)).check()


def test_a_pool_without_room_is_told_before_anything_is_begun(lab: Lab) -> None:
    one = volume(lab, size_gb=3000)
    with pytest.raises(ActionFailed, match=f"{SLOW} has 2000 GiB left for 3000 GiB"):
        handler(lab, migrate_volume(one.id, SLOW)).check()


@pytest.mark.parametrize("outcome", ["refused", "error"])
def test_a_migration_that_fails_is_told_and_leaves_the_volume_where_it_was(
    lab: Lab, outcome: str
) -> None:
    one = volume(lab)
    lab.simulator.faults.move(outcome, server=one.id)
    plan = lab.plan(migrate_volume(one.id, SLOW))
    assert lab.run(plan).state == "FAILED"
    message = str(lab.actions(plan)[0].status_message)
    assert f"ended with it still on {FAST}; Cinder gives no reason, the logs" in message
    assert (one.pool, one.status) == (FAST, "available")


def test_a_retype_that_fails_is_told_too(lab: Lab) -> None:
    one = volume(lab, "fast")
    lab.simulator.faults.move("error", server=one.id)
    change = handler(lab, retype_volume(one.id, "slow"))
    change.check()
    with pytest.raises(ActionFailed, match=r"still of type fast; .* \(request req-"):
        change.perform()
    assert change.undo() == ""


def test_a_volume_without_progress_is_not_waited_for_for_ever(lab: Lab) -> None:
    one = volume(lab)
    lab.simulator.faults.move("stuck", server=one.id)
    move = handler(lab, migrate_volume(one.id, SLOW))
    move.check()
    with pytest.raises(ActionFailed, match="made no progress for 4 s"):
        move.perform()
    with pytest.raises(ActionFailed, match=r"still at the migration .* cannot be aborted"):
        move.undo()
    with pytest.raises(ActionFailed, match="cannot be aborted"):
        move.abort()


def test_what_was_moved_can_be_brought_back(lab: Lab) -> None:
    one = volume(lab, "fast")
    change = handler(lab, retype_volume(one.id, "slow"))
    before = change.check()
    change.perform()
    reverse = change.reverse(before)
    assert reverse == retype_volume(one.id, "fast")
    assert change.undo() == "the volume was given back its type fast"
    assert (one.pool, type_name(lab, one)) == (FAST, "fast")
    plain = handler(lab, migrate_volume(one.id, SLOW))
    assert plain.reverse({"pool": FAST}) == migrate_volume(one.id, FAST)


def test_what_a_dead_applier_began_is_observed(lab: Lab) -> None:
    one = volume(lab)
    first = handler(lab, migrate_volume(one.id, SLOW))
    before = first.check()
    assert handler(lab, migrate_volume(one.id, SLOW)).observe(before) is Progress.NOT_BEGUN
    lab.simulator.faults.move("stuck", server=one.id)
    first._cinder.migrate(one.id, SLOW)
    again = handler(lab, migrate_volume(one.id, SLOW))
    assert again.observe(before) is Progress.RUNNING
    one.due = 0.0  # it gets going again
    again.perform()
    assert one.pool == SLOW
    assert handler(lab, migrate_volume(one.id, SLOW)).observe(before) is Progress.DONE


def test_what_failed_meanwhile_is_observed_with_its_reason(lab: Lab) -> None:
    one = volume(lab)
    first = handler(lab, migrate_volume(one.id, SLOW))
    before = first.check()
    lab.simulator.faults.move("refused", server=one.id)
    first._cinder.migrate(one.id, SLOW)
    with pytest.raises(ActionFailed, match=f"still on {FAST}"):
        handler(lab, migrate_volume(one.id, SLOW)).observe(before)


@pytest.mark.parametrize(
    "given",
    [
        {"migration_type": "migrate"},
        {"migration_type": "retype", "destination_node": SLOW},
        {"migration_type": "migrate", "destination_node": None},
        {"migration_type": "retype", "destination_type": ""},
        {"migration_type": "copy", "destination_node": SLOW},
    ],
)
def test_parameters_that_lack_the_destination_are_refused_when_the_plan_is_made(
    given: dict[str, Any],
) -> None:
    with pytest.raises(BadParameters):
        parameters.check(
            VolumeMigrate.schema, {"resource_id": "11111111-1111-4111-8111-111111111111", **given}
        )
