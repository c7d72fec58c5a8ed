# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.schedule."""

from datetime import UTC, datetime, timedelta

import pytest

from watcher.core.errors import BadInterval
from watcher.core.schedule import (
    MAXIMUM_LENGTH,
    MAXIMUM_S,
    check_interval,
    first_time,
    following,
    next_time,
    retry_delay_s,
)

NOON = datetime(2026, 3, 1, 12, 0, 0)


@pytest.mark.parametrize(
    "text",
    [
        *("1", "10", "7200", str(MAXIMUM_S)),
        *("*/5 * * * *", "0 9-17 * * mon-fri", "* * * * * */15", "0 0 1 1 * 0 2030"),
        *("@daily", "@hourly", "@weekly", "@monthly", "@yearly", "* * * mar fri"),
    ],
)
def test_seconds_and_cron_text_are_intervals_and_stay_as_they_are(text):
    assert check_interval(text) == text


def test_blanks_around_an_interval_are_taken_off():
    assert check_interval(" 60\n") == "60"


@pytest.mark.parametrize("text", ["0", "-5", "+5", "1.5", "007.", str(MAXIMUM_S + 1), "9" * 30])
def test_numbers_that_are_no_length_of_time_are_refused(text):
    with pytest.raises(BadInterval, match="must be whole seconds from 1 to"):
        check_interval(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "often", "5m", "* * *", "* * * * * * * *", "60 * * * *", "*/0 * * * *", "@reboot"),
        *("h * * * *", "1-*/5 * * * *", "\x00 * * * *", "٣"),
    ],
)
def test_text_that_is_neither_is_refused(text):
    with pytest.raises(BadInterval, match="is neither seconds nor cron text of 5 to 7 columns"):
        check_interval(text)


@pytest.mark.parametrize("text", ["r * * * *", "* R(1-5) * * *"])
def test_a_random_column_is_refused_because_each_look_would_give_another_time(text):
    with pytest.raises(BadInterval, match="random"):
        check_interval(text)


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 1 1 * 0 1999"])
def test_cron_text_without_a_moment_is_refused(text):
    with pytest.raises(BadInterval, match="has no moment after"):
        check_interval(text)


@pytest.mark.parametrize("value", [5, None, 2.5, ["5"]])
def test_what_is_not_text_is_refused(value):
    with pytest.raises(BadInterval, match="interval must be a text, not"):
        check_interval(value)


def test_an_interval_that_no_column_could_hold_is_refused():
    with pytest.raises(BadInterval, match="longer than 255 characters"):
        check_interval("1," * MAXIMUM_LENGTH + " * * * *")


@pytest.mark.parametrize(
    ("interval", "due"),
    [
        ("90", datetime(2026, 3, 1, 12, 1, 30)),
        ("*/5 * * * *", datetime(2026, 3, 1, 12, 5)),
        ("0 12 * * *", datetime(2026, 3, 2, 12, 0)),
        ("* * * * * 30", datetime(2026, 3, 1, 12, 0, 30)),
        ("0 0 29 2 *", datetime(2028, 2, 29)),
        ("@monthly", datetime(2026, 4, 1)),
    ],
)
def test_the_next_time_is_after_now(interval, due):
    assert next_time(interval, NOON) == due


@pytest.mark.parametrize("interval", ["90", "*/5 * * * *"])
def test_an_aware_time_gives_an_aware_time(interval):
    due = next_time(interval, NOON.replace(tzinfo=UTC))
    assert due.replace(tzinfo=None) == next_time(interval, NOON)
    assert due.tzinfo is UTC


def test_a_part_of_a_second_does_not_make_a_moment_come_twice():
    assert next_time("* * * * * */10", datetime(2026, 3, 1, 12, 0, 0, 1)) == datetime(
        2026, 3, 1, 12, 0, 10
    )


def test_cron_text_with_years_ends():
    with pytest.raises(BadInterval, match="has no moment after 2026-03-01 12:00:00"):
        next_time("0 0 1 1 * 0 2025", NOON)


def test_wrong_seconds_in_a_row_are_refused_when_it_runs():
    with pytest.raises(BadInterval):
        next_time("0", NOON)


def test_an_audit_by_seconds_is_due_at_its_start_and_one_by_cron_at_the_first_hit_after_it():
    assert first_time("60", NOON) == NOON
    assert first_time("0 13 * * *", NOON) == NOON.replace(hour=13)


@pytest.mark.parametrize(
    ("late_s", "minutes"), [(0, 10), (1, 10), (599, 10), (600, 20), (601, 20), (6000, 110)]
)
def test_after_a_pause_the_old_rhythm_goes_on_and_missed_runs_are_dropped(late_s, minutes):
    now = NOON + timedelta(seconds=late_s)
    assert following("600", NOON, now) == NOON + timedelta(minutes=minutes)


def test_cron_text_keeps_its_own_rhythm():
    assert following("*/15 * * * *", NOON, NOON.replace(hour=17, minute=1)) == NOON.replace(
        hour=17, minute=15
    )


@pytest.mark.parametrize(
    ("failures", "until_due_s", "delay_s"),
    [
        *((1, 7200, 60), (2, 7200, 120), (5, 7200, 960), (7, 7200, 3600), (1000, 7200, 3600)),
        *((1, 10, 10), (2, 10, 20), (20, 10, 3600), (1, -5, 1)),
    ],
)
def test_a_run_that_fails_is_tried_again_after_a_pause_that_doubles(
    failures, until_due_s, delay_s
):
    assert retry_delay_s(failures, until_due_s) == delay_s
