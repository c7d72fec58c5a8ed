# SPDX-License-Identifier: Apache-2.0
"""When a continuous audit runs next: a number of seconds, or cron text, always in UTC."""

import re
from datetime import datetime, timedelta

from croniter import CroniterBadDateError, CroniterError, croniter

from watcher.core.errors import BadInterval

MAXIMUM_S = 366 * 24 * 3600
"""The longest interval in seconds; what runs less than once a year is a mistake in the unit."""
MAXIMUM_LENGTH = 255
"""The longest interval text, in characters."""
RETRY_S, RETRY_MAXIMUM_S = 60.0, 3600.0
"""The first and the longest pause between runs that fail, in seconds."""

_BEGINNING = datetime(2000, 1, 1)  # noqa: DTZ001 - naive UTC, as everywhere in the database
_RANDOM = re.compile(r"\br\b", re.IGNORECASE)


def check_interval(text: str) -> str:
    """The interval without surrounding blanks; BadInterval when it gives no schedule.

    It is whole seconds as text from 1 to MAXIMUM_S, cron text of 5 columns (6 with seconds at the
    end, 7 with years) or one of @yearly, @monthly, @weekly, @daily, @hourly.
    """
    if not isinstance(text, str):
        raise BadInterval(f"interval must be a text, not {type(text).__name__} {text!r}")
    interval = text.strip()
    if len(interval) > MAXIMUM_LENGTH:
        raise BadInterval(f"interval is longer than {MAXIMUM_LENGTH} characters")
    if _is_number(interval):
        _seconds(interval)
    else:
        _next_by_cron(interval, _BEGINNING)
    return interval


def next_time(interval: str, now: datetime) -> datetime:
    """The first moment after ``now`` (UTC) at which an audit with this interval is due.

    For seconds this is now + interval. BadInterval when the interval is wrong or when cron text
    with years has no moment left.
    """
    if _is_number(interval):
        return now + timedelta(seconds=_seconds(interval))
    return _next_by_cron(interval, now)


def first_time(interval: str, start: datetime) -> datetime:
    """When an audit runs first that may run from ``start`` (UTC): with seconds, then.

    BadInterval as for ``next_time``.
    """
    return start if _is_number(interval) else _next_by_cron(interval, start)


def following(interval: str, due: datetime, now: datetime) -> datetime:
    """The first moment after ``now`` of a schedule that had one at ``due``, which is past.

    Those between are dropped: after a pause an audit runs once, and then in its old rhythm.
    BadInterval as for ``next_time``.
    """
    if not _is_number(interval):
        return _next_by_cron(interval, now)
    period = timedelta(seconds=_seconds(interval))
    return due + period * ((now - due) // period + 1)


def retry_delay_s(failures: int, until_due_s: float) -> float:
    """Seconds to wait after so many failed runs in a row (1 or more) of a continuous audit.

    Doubled each time, from a minute or from the time until the next run if that is shorter, up to
    an hour.
    """
    first_s = min(RETRY_S, max(until_due_s, 1.0))
    return float(min(first_s * 2.0 ** min(failures - 1, 20), RETRY_MAXIMUM_S))


def _is_number(interval: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9.]+", interval) is not None


def _seconds(interval: str) -> int:
    if not interval.isdecimal() or not 1 <= int(interval) <= MAXIMUM_S:
        raise BadInterval(
            f"interval {interval} must be whole seconds from 1 to {MAXIMUM_S}, or cron text"
        )
    return int(interval)


def _next_by_cron(interval: str, now: datetime) -> datetime:
    # croniter also knows R, a random column that would mean another time at each look.
    if _RANDOM.search(interval):
        raise BadInterval(f"interval {interval!r} has a random column, which gives no schedule")
    try:
        due: datetime = croniter(interval, now).get_next(datetime)
    except CroniterBadDateError:
        raise BadInterval(f"interval {interval!r} has no moment after {now}") from None
    except CroniterError as error:
        raise BadInterval(
            f"interval {interval!r} is neither seconds nor cron text of 5 to 7 columns: {error}"
        ) from None
    return due
