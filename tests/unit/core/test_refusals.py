# SPDX-License-Identifier: Apache-2.0
"""What the constraints refuse of what stays: counted by reason, bounded, with examples."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from tests.worlds import World, host_row, instance_row, random_world, uuid, world
from watcher.core import refusals
from watcher.core.cluster import Cluster
from watcher.core.constraints import LIVE, Constraints, movable
from watcher.core.placement import Load, Placement
from watcher.core.refusals import Example, Refusal, Tally, WhyNot, combined, explain


def explained(cluster: Cluster, **options: Any) -> WhyNot:
    return explain(Constraints(Placement(cluster), **options), *movable(cluster))


def counts(found: tuple[Refusal, ...]) -> dict[str, int]:
    return {one.reason: one.count for one in found}


def small() -> World:
    """Two instances that may be moved, a locked one, and three reasons against other hosts."""
    built = world().host("c1").runs("a").runs("b", vcpus=4).runs("c", locked=True)
    built.host("c2", up=False).host("c3", vcpus=2).host("c4", zone="other")
    return built.host("c5", enabled=False)


def test_instances_that_may_not_be_moved_are_counted_with_their_hosts():
    (only,) = explained(small().cluster()).instances
    assert only == Refusal("it is locked", 1, (Example(uuid("c"), "c1"),))


def test_pairs_of_instance_and_host_are_counted_by_reason():
    found = explained(small().cluster())
    assert counts(found.destinations) == {"down": 2, "disabled": 2, "not enough vcpus left": 1}
    (full,) = (one for one in found.destinations if one.reason.startswith("not enough"))
    assert full.examples == (Example(uuid("b"), "c3"),)
    assert (found.stayed, found.judged) == (2, 2)


def test_what_the_plan_moves_is_not_spoken_of():
    cluster = small().cluster()
    placement = Placement(cluster)
    placement.move(instance_row(cluster, "b"), host_row(cluster, "c4"))
    found = explain(Constraints(placement), *movable(cluster))
    assert found.stayed == 1
    assert counts(found.destinations) == {"down": 1, "disabled": 1}


def test_measured_loads_count_as_the_strategy_has_them():
    cluster = world().host("c1").runs("a").host("c2").cluster()
    load = Load("cpu load", np.array([3.0]), np.array([4.0, 2.0]), np.zeros(2))
    if host_row(cluster, "c2") == 0:
        load = Load("cpu load", np.array([3.0]), np.array([2.0, 4.0]), np.zeros(2))
    constraints = Constraints(Placement(cluster, [load]))
    found = explain(constraints, *movable(cluster))
    assert counts(found.destinations) == {"not enough cpu load left": 1}


def test_members_of_server_groups_are_judged_one_by_one():
    built = world().group("g").host("c1").runs("a", group="g").host("c2").runs("b", group="g")
    found = explained(built.host("c3").cluster())
    said = "against its server group's policy anti-affinity"
    assert counts(found.destinations) == {said: 2}
    assert len(found.destinations[0].examples) == 2


def test_an_instance_without_a_reason_is_not_spoken_of():
    cluster = world().host("c1").runs("a").host("c2").cluster()
    nothing = np.zeros(1, dtype=np.bool_)
    reasons = np.array([""], dtype=object)
    assert explain(Constraints(Placement(cluster)), nothing, reasons) == WhyNot()


def test_an_instance_on_no_host_is_not_spoken_of():
    assert explained(world().host("c1").unplaced("a").cluster()) == WhyNot()


@pytest.mark.parametrize("seed", range(6))
def test_counts_are_those_of_why_not_for_each_pair(seed):
    cluster = random_world(seed, 12, 80)
    constraints = Constraints(Placement(cluster))
    mask, reasons = movable(cluster, LIVE)
    found = explain(constraints, mask, reasons)
    expected = Tally()
    for row in np.flatnonzero(mask):
        for host, said in enumerate(constraints.why_not(int(row))):
            if said and host != cluster.instances.host[row]:
                name = str(cluster.hosts.name[host])
                expected.add(str(said), 1, (Example(str(cluster.instances.uuid[row]), name),))
    assert counts(found.destinations) == counts(expected.refusals())
    for one in found.destinations:
        for example in one.examples:
            row = cluster.instances.row_by_uuid[example.instance]
            assert constraints.why_not(row)[host_row(cluster, example.host)] == one.reason


def test_of_very_many_only_evenly_spaced_ones_are_judged(monkeypatch):
    monkeypatch.setattr(refusals, "MOST_ROWS", 2)
    built = world().host("c1", vcpus=16)
    for number in range(5):
        built.runs(f"vm{number}")
    found = explained(built.host("c2", up=False).cluster())
    assert (found.stayed, found.judged) == (5, 2)
    assert counts(found.destinations) == {"down": 2}
    monkeypatch.setattr(refusals, "MOST_PAIRS", 2)
    assert explained(built.cluster()).judged == 1


def test_reasons_examples_and_words_are_bounded():
    tally = Tally()
    for number in range(refusals.MOST_REASONS + 2):
        for turn in range(number + 1):
            tally.add(f"reason {number} " + "x" * 300, 1, (Example(f"i{turn}", "c1"),))
    found = tally.refusals()
    assert len(found) == refusals.MOST_REASONS + 1
    assert found[0].count == refusals.MOST_REASONS + 2
    assert len(found[0].examples) == refusals.MOST_EXAMPLES
    assert len(found[0].reason) == refusals.LONGEST_REASON
    assert found[-1] == Refusal("other reasons", 1 + 2, ())


def test_nothing_counted_is_no_reason():
    tally = Tally()
    tally.add("down", 0, ())
    assert tally.refusals() == ()


def test_answers_about_different_instances_make_one():
    down = Refusal("down", 2, (Example("a", "c1"),))
    full = Refusal("full", 1, (Example("b", "c2"),))
    both = combined([WhyNot(2, 1, (down,), (full,)), WhyNot(3, 3, (down,), ())])
    assert both == WhyNot(5, 4, (Refusal("down", 4, down.examples * 2),), (full,))


def test_as_json_it_says_the_same():
    found = asdict(WhyNot(1, 1, (), (Refusal("down", 1, (Example("a", "c1"),)),)))
    assert found["destinations"] == (
        {"reason": "down", "count": 1, "examples": ({"instance": "a", "host": "c1"},)},
    )


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("it is locked", "locked"),
        ("it is suspended", "instance_state"),
        ("its host is down", "host_down"),
        ("down", "host_down"),
        ("outside availability zone east", "availability_zone"),
        ("in an aggregate with another ssd", "aggregate"),
        ("without trait CUSTOM_GPU", "trait"),
        ("not enough vcpus left", "room"),
        ("a word that no constraint has said yet", "other"),
    ],
)
def test_a_reason_is_of_one_of_few_kinds(reason, kind):
    assert refusals.kind_of(reason) == kind
    assert kind in refusals.KINDS


@pytest.mark.parametrize("seed", range(4))
def test_what_the_constraints_say_is_of_a_kind_of_its_own(seed):
    found = explained(random_world(seed, 12, 80))
    reasons = [one.reason for one in (*found.instances, *found.destinations)]
    assert reasons
    assert [one for one in reasons if refusals.kind_of(one) == "other"] == []
