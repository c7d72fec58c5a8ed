# SPDX-License-Identifier: Apache-2.0
"""Moves of rows, counted where they are made."""

import pytest

from tests.telemetry import number
from watcher.telemetry.moves import Begun, migration_type, moved, moved_action

LIVE = {"migration_type": "live"}
COLD = {"migration_type": "cold"}


def counted(name, **labels):
    """How far a counter rises."""
    before = number(name, **labels)
    return lambda: number(name, **labels) - before


def test_a_plan_that_was_begun_and_ended_here_has_a_duration():
    runs = counted("watcher_action_plan_duration_seconds_count", state="FAILED")
    changes = counted("watcher_state_changes_total", kind="action_plan", state="FAILED")
    moved("action_plan", "p-1", "PENDING", "ONGOING")
    moved("action_plan", "p-1", "ONGOING", "CANCELLING")
    moved("action_plan", "p-1", "CANCELLING", "FAILED")
    assert (runs(), changes()) == (1, 1)


def test_a_plan_that_another_process_began_counts_but_has_no_duration():
    runs = counted("watcher_action_plan_duration_seconds_count", state="SUCCEEDED")
    changes = counted("watcher_state_changes_total", kind="action_plan", state="SUCCEEDED")
    moved("action_plan", "p-2", "ONGOING", "SUCCEEDED")
    assert (runs(), changes()) == (0, 1)


def test_an_audit_is_counted_without_a_duration_of_its_state():
    """A CONTINUOUS one stays ONGOING between its runs."""
    changes = counted("watcher_state_changes_total", kind="audit", state="ONGOING")
    moved("audit", "a-1", "PENDING", "ONGOING")
    assert changes() == 1


@pytest.mark.parametrize(
    ("old", "new", "migrations", "ended"),
    [
        ("ONGOING", "SUCCEEDED", 1, 1),
        ("ONGOING", "FAILED", 1, 1),
        ("CANCELLING", "CANCELLED", 1, 1),
        ("PENDING", "FAILED", 0, 1),
        ("PENDING", "CANCELLED", 0, 1),
        ("PENDING", "ONGOING", 0, 0),
        (None, "PENDING", 0, 0),
    ],
)
def test_a_migration_counts_when_it_had_begun_and_is_over(old, new, migrations, ended):
    of_type = counted("watcher_migrations_total", type="live", state=new)
    of_all = counted("watcher_actions_ended_total", action_type="migrate", state=new)
    moved_action("m-1", old, new, "migrate", LIVE)
    assert (of_type(), of_all()) == (migrations, ended)


@pytest.mark.parametrize(
    ("action_type", "given", "kind"),
    [
        ("migrate", LIVE, "live"),
        ("migrate", COLD, "cold"),
        ("volume_migrate", {"migration_type": "retype"}, "volume_retype"),
        ("volume_migrate", {"migration_type": "swap"}, "volume_migrate"),
        ("nop", {}, ""),
        ("resize", COLD, ""),
    ],
)
def test_the_kinds_of_migrations(action_type, given, kind):
    assert migration_type(action_type, given) == kind


def test_of_too_many_beginnings_the_oldest_are_forgotten():
    begun = Begun(most=2)
    for name in "abc":
        begun.begin(name)
    assert begun.end("a") is None
    assert begun.end("b") >= 0
    assert begun.end("b") is None
