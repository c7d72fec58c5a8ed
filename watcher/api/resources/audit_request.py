# SPDX-License-Identifier: Apache-2.0
"""What a request for an audit may hold, and the row that comes of it (rest-api 15.2)."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from oslo_utils import timeutils

from watcher.api import microversions, types
from watcher.api.bodies import Body, field
from watcher.api.expose import Call
from watcher.api.resources.audit_templates import check_pair, checked_name
from watcher.core import parameters, schedule
from watcher.core.errors import BadInterval, Invalid, NotFound
from watcher.core.states import ON_FAILURE
from watcher.db import clock, models, store

TYPES = ("ONESHOT", "CONTINUOUS", "EVENT")
NAME_LENGTH = 63
INTERVAL_LENGTH = 36
"""Characters the column of the interval holds."""


class AuditPost(Body):
    """The body: a goal or an audit template, and how to run."""

    audit_type = field(types.Word(TYPES), mandatory=True)
    audit_template_uuid = field(types.text)
    goal = field(types.text)
    strategy = field(types.text)
    name = field(types.text)
    interval = field(types.text)
    start_time = field(types.text, since=microversions.TIMES)
    end_time = field(types.text, since=microversions.TIMES)
    force = field(types.boolean)
    auto_trigger = field(types.boolean)
    parameters = field(types.objects)
    on_failure = field(types.Word(ON_FAILURE), since=microversions.EXECUTION)
    dry_run = field(types.boolean, since=microversions.DRY_RUN)


def build(call: Call, body: AuditPost) -> models.Audit:
    """The new audit, checked as a whole. Raises Invalid or NotFound."""
    check_on_failure(body.on_failure)
    check_dry_run(bool(body.dry_run), bool(body.auto_trigger))
    if body.audit_type not in TYPES:
        raise Invalid(f"audit_type must be one of {', '.join(TYPES)}")
    _check_schedule(body)
    template = _template(call, body)
    goal = template.goal if template else store.get(call.session, models.Goal, body.goal)
    strategy = _strategy(call, body, template)
    check_pair(call, goal, strategy)
    defaults = template.default_parameters if template else {}
    if strategy is None:
        _check_choice(call, goal)
    start, end = moment("start_time", body.start_time), moment("end_time", body.end_time)
    check_order(start, end)
    return models.Audit(
        name=_name(body, strategy or template or goal),
        audit_type=body.audit_type,
        goal=goal,
        strategy=strategy,
        parameters=filled(strategy, {**defaults, **(body.parameters or {})}),
        interval=checked_interval(body.interval),
        scope=template.scope if template else [],
        auto_trigger=bool(body.auto_trigger),
        force=bool(body.force),
        on_failure=body.on_failure,
        dry_run=bool(body.dry_run),
        next_run_time=_first_run(call, body, start),
        start_time=start,
        end_time=end,
        template_uuid=template.uuid if template else None,
    )


def check_on_failure(word: str | None) -> None:
    """Raise Invalid for what a plan cannot do after a failure; None leaves it to the applier."""
    if word is not None and word not in ON_FAILURE:
        raise Invalid(f"on_failure must be one of {', '.join(ON_FAILURE)}")


def check_dry_run(dry_run: bool, auto_trigger: bool) -> None:
    """Raise Invalid for an audit whose plans are never started and are to start by themselves."""
    if dry_run and auto_trigger:
        raise Invalid(
            "the plans of a dry_run audit are never started: set auto_trigger to false, or create"
            " the audit without dry_run"
        )


def filled(strategy: models.Strategy | None, values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with the strategy's defaults. Raises Invalid for what it cannot take."""
    if strategy is None:
        if values:
            raise Invalid("parameters need a strategy that takes them")
        return {}
    spec = strategy.parameters_spec or {}
    parameters.check(spec, values)
    return parameters.with_defaults(spec, values)


def checked_interval(text: str | None) -> str | None:
    """The interval as it is stored. Raises BadInterval for what gives no schedule."""
    if text is None:
        return None
    if len(text) > INTERVAL_LENGTH:
        raise BadInterval(f"interval must be at most {INTERVAL_LENGTH} characters")
    return schedule.check_interval(text)


def moment(name: str, text: Any) -> datetime | None:
    """A date and time as naive UTC; without an offset it is in this server's time zone.

    Dates alone, a blank instead of the T, ``Z`` and offsets are understood. Raises Invalid.
    """
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError, AttributeError) as error:
        raise Invalid(
            f"{name} must be a date and time such as 2030-01-31T12:00:00 or ...+02:00"
        ) from error


def check_order(start: datetime | None, end: datetime | None) -> None:
    """Raise Invalid when the end does not come after the start."""
    if start is not None and end is not None and end <= start:
        raise Invalid("end_time must be later than start_time")


def _check_schedule(body: AuditPost) -> None:
    """What the type of an audit demands and forbids."""
    if body.audit_type == "CONTINUOUS" and body.interval is None:
        raise Invalid("a CONTINUOUS audit needs an interval")
    if body.audit_type == "ONESHOT":
        for name in ("interval", "start_time", "end_time"):
            if getattr(body, name) is not None:
                raise Invalid(f"a ONESHOT audit runs once and at once: it takes no {name}")


def _first_run(call: Call, body: AuditPost, start: datetime | None) -> datetime | None:
    """When a CONTINUOUS audit is due first: at its start, or when its cron text says so after it.

    Raises BadInterval for an interval that gives no schedule.
    """
    interval = checked_interval(body.interval)
    if body.audit_type != "CONTINUOUS" or interval is None:
        return None
    now = clock.now(call.session)
    return schedule.first_time(interval, max(start or now, now))


def next_run(call: Call, audit: models.Audit, changed: Mapping[str, Any]) -> datetime | None:
    """When a CONTINUOUS audit is due after its interval or start was changed.

    One that has run is due an interval from now, or by its cron text; no run is added.
    """
    interval = changed.get("interval", audit.interval)
    start = changed.get("start_time", audit.start_time)
    now = clock.now(call.session)
    if audit.hostname is None or (start is not None and start > now):
        return schedule.first_time(interval, max(start or now, now))
    return schedule.next_time(interval, now)


def _template(call: Call, body: AuditPost) -> models.AuditTemplate | None:
    """The template asked for. Raises Invalid unless there is exactly one of template and goal."""
    ident = body.audit_template_uuid
    if bool(ident) == bool(body.goal):
        raise Invalid("an audit needs a goal or an audit_template_uuid, one of them")
    if not ident:
        return None
    try:
        template = store.get(
            call.session,
            models.AuditTemplate,
            types.as_uuid(ident) or ident,
            load=("goal", "strategy.goal"),
        )
    except NotFound as error:
        raise Invalid(f"audit_template_uuid: {error}") from error
    if template.goal.deleted:
        raise Invalid(
            f"audit template {template.name} cannot be used: its goal {template.goal.name}"
            " is no longer installed"
        )
    return template


def _strategy(
    call: Call, body: AuditPost, template: models.AuditTemplate | None
) -> models.Strategy | None:
    if body.strategy:
        return store.get(call.session, models.Strategy, body.strategy, load=("goal",))
    return template.strategy if template else None


def _check_choice(call: Call, goal: models.Goal) -> None:
    """Raise Invalid when every strategy the engine could choose demands parameters."""
    table = models.Strategy
    demanding = {
        strategy.name: (strategy.parameters_spec or {}).get("required")
        for strategy in store.every(call.session, table, table.goal_id == goal.id)
    }
    if demanding and all(demanding.values()):
        raise Invalid(
            f"every strategy of the goal {goal.name} needs parameters: name one of"
            f" {', '.join(sorted(demanding))} as the strategy, and give its parameters"
        )


def _name(body: AuditPost, origin: models.WithName) -> str:
    """The name asked for, cut to its column, or one made of where the audit comes from."""
    if body.name is not None:
        return checked_name(body.name[:NAME_LENGTH])
    stamp = f"-{timeutils.utcnow().isoformat()}"
    return f"{origin.name[: NAME_LENGTH - len(stamp)]}{stamp}"
