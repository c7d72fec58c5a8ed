# SPDX-License-Identifier: Apache-2.0
"""Why each action is in its plan."""

import dataclasses

import numpy as np
import pytest

from tests.shelves import pool_name
from tests.unit.report.stories import actions, gathered, volume_cluster
from tests.worlds import uuid
from watcher.core.metrics import Metrics
from watcher.core.plan import Plan
from watcher.core.solution import (
    Action,
    Solution,
    disable_host,
    enable_host,
    migrate,
    migrate_volume,
    nop,
    power,
    resize,
    retype_volume,
    sleep,
    stop,
)
from watcher.report import evidence
from watcher.report.reasons import UNKNOWN, Plot, reasons
from watcher.report.sides import Doing


def told(*given, places=None, followers=0):
    doings = [Doing(one.type, one.input_parameters) for one in given]
    plot = Plot(places or gathered().hosts, doings)
    return reasons(plot, None, doings, [followers] * len(doings))


def quiet():
    """The hosts without anything measured."""
    return dataclasses.replace(gathered().hosts, gauges=())


def test_a_host_that_is_closed_is_emptied_for_a_purpose() -> None:
    closing, first, second, third = told(*actions())
    assert closing == (
        "Keeps Nova's scheduler from c1 while 2 instances leave it, so that it can be released."
    )
    assert first == second == "c1 is emptied so that it can be released, with 1 other moves."
    assert third == "c2 is emptied, with this move alone."


@pytest.mark.parametrize(
    ("reason", "purpose"),
    [
        ("watcher_maintaining", "for work on it"),
        ("watcher_saving_energy", "to save energy"),
        ("of somebody's own", "and closed"),
    ],
)
def test_each_reason_given_to_nova_is_a_purpose(reason: str, purpose: str) -> None:
    closing = disable_host(uuid("c1"), "c1", reason)
    moves = [migrate(uuid(name), "c1", "c3") for name in ("vm1", "vm2")]
    assert told(closing, *moves)[1] == f"c1 is emptied {purpose}, with 1 other moves."


def test_a_limit_that_was_passed_is_the_reason_of_a_move_off() -> None:
    (why,) = told(migrate(uuid("vm2"), "c1", "c3"))
    assert why == (
        "c1 was at 4.25 threads of cpu load, above its limit of 2 threads;"
        " 2.25 threads after the plan."
    )


def test_a_load_that_falls_on_one_and_rises_on_the_other_is_levelled() -> None:
    gauge = gathered().hosts.gauges[0]
    calm = dataclasses.replace(gauge, limit=np.full(4, 99.0))
    places = dataclasses.replace(gathered().hosts, gauges=(calm,))
    (why,) = told(migrate(uuid("vm2"), "c1", "c3"), places=places)
    assert why == (
        "Levels cpu load: c1 from 4.25 threads to 2.25 threads, c3 from 0.5 threads to 2.5"
        " threads."
    )


def test_without_a_measurement_it_is_about_room() -> None:
    (why,) = told(migrate(uuid("vm2"), "c1", "c3"), places=quiet(), followers=3)
    assert why == (
        "Changes how full they are (vcpus): c1 from 38 % to 12 %, c3 from 12 % to 38 %."
        " 3 actions wait for it."
    )
    empty = dataclasses.replace(quiet(), capacity=np.full((4, 3), np.nan))
    assert told(migrate(uuid("vm2"), "c1"), places=empty) == ["Moves it off c1."]


def test_a_stay_on_the_way_names_where_it_ends() -> None:
    way = told(migrate(uuid("vm1"), "c1", "c2"), migrate(uuid("vm1"), "c2", "c3"))
    assert way[0] == "A stay on the way: c2 has room until there is room on c3."


@pytest.mark.parametrize(
    ("action", "why"),
    [
        (nop("x"), "Does nothing: for demonstrations."),
        (sleep(1.0), "Waits: for demonstrations."),
        (resize(uuid("vm1"), "big"), "Gives the instance the flavor big."),
        (stop(uuid("vm1")), "It cannot be moved: it is stopped instead, as the audit allows."),
        (enable_host(uuid("c4"), "c4"), "Gives c4 back to Nova's scheduler."),
        (power(uuid("m"), "c4", on=True), "c4 is needed: too few empty hosts are on."),
        (power(uuid("m"), "c4", on=False), "c4 is empty and not needed: off, it saves energy."),
        (retype_volume(uuid("v1"), "fast"), "Gives the volume the type fast."),
        (Action("dance"), "Of a type that is not Watcher's own: only its strategy knows."),
        (migrate(uuid("who"), "c1", "c2"), UNKNOWN),
    ],
)
def test_other_actions_say_what_they_are_for(action: Action, why: str) -> None:
    assert told(action) == [why]


def test_a_volume_leaves_a_pool_for_another() -> None:
    move = migrate_volume(uuid("v1"), pool_name("two"))
    doings = [Doing(move.type, move.input_parameters)]
    plan = Plan((move,), ((),))
    found = evidence.gather(volume_cluster(), plan, Solution((move,)), Metrics(), {}).pools
    assert found is not None
    fuller = dataclasses.replace(found, count=found.count + 1)
    assert reasons(None, Plot(fuller, doings), doings, [0]) == [
        "Changes how full they are (gb): store@one#one from 40 % to 0 %,"
        " store@two#two from 0 % to 40 %."
    ]
    assert reasons(None, None, doings, [0]) == [UNKNOWN]
