# SPDX-License-Identifier: Apache-2.0
"""The tables, each said once: what an operator sees in the database (contract: commands §9).

Every row has ``created_at``, ``updated_at`` (null until its first change), ``deleted_at`` and
``deleted`` (0 for a live row, its own id once it is soft-deleted, which frees its name again).
Datetimes are naive UTC. A relationship that was not asked for with ``load=`` raises when it is
touched: no query hides behind a dot. A related row may itself be soft-deleted: look at its
``deleted`` before it is shown.
"""

import re
from datetime import datetime
from typing import Any

from oslo_utils import timeutils
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship, validates

from watcher.core import states

MESSAGE_LENGTH = 255
"""Characters of a ``status_message`` that are kept; the rest is cut."""

Moment = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
"""A naive UTC datetime with microseconds (MySQL's plain DATETIME would drop them)."""

Json = JSON(none_as_null=True)

Bytes = LargeBinary().with_variant(mysql.MEDIUMBLOB(), "mysql", "mariadb")
"""Bytes, 16 MiB of them at most (MySQL's plain BLOB ends at 64 KiB)."""


class Base(DeclarativeBase):
    """What all rows share."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: Moment, dict[str, Any]: Json, list[Any]: Json}

    id: Mapped[int] = mapped_column(Integer, primary_key=True, sort_order=-3)
    created_at: Mapped[datetime] = mapped_column(default=timeutils.utcnow, sort_order=9)
    updated_at: Mapped[datetime | None] = mapped_column(onupdate=timeutils.utcnow, sort_order=9)
    deleted_at: Mapped[datetime | None] = mapped_column(sort_order=9)
    deleted: Mapped[int] = mapped_column(default=0, sort_order=9)

    @classmethod
    def called(cls) -> str:
        """What people call a row of this table, at the head of a sentence: "Action plan"."""
        return re.sub("(?<!^)(?=[A-Z])", " ", cls.__name__).capitalize()


class WithUuid:
    """A row known outside by its uuid, which ``store.add`` makes when it is missing."""

    uuid: Mapped[str] = mapped_column(String(36), unique=True, sort_order=-2)


class WithName(WithUuid):
    """A row that may also be addressed by a name, unique among the live ones."""

    name: Mapped[str] = mapped_column(String(63), sort_order=-1)


class WithMessage:
    """A row that tells how it came to its state, in words for the operator."""

    status_message: Mapped[str | None] = mapped_column(String(MESSAGE_LENGTH), sort_order=8)

    @validates("status_message")
    def _cut(self, _key: str, text: str | None) -> str | None:
        return cut(text)


def cut(text: str | None) -> str | None:
    """A status message as long as its column; a cut one ends in an ellipsis."""
    if text is None or len(text) <= MESSAGE_LENGTH:
        return text
    return text[: MESSAGE_LENGTH - 1] + "…"


def _known(lifecycle: states.Lifecycle) -> CheckConstraint:
    names = ", ".join(f"'{state}'" for state in lifecycle.states)
    return CheckConstraint(f"state IN ({names})", name="state")


def _sorted(*columns: str) -> tuple[Index, ...]:
    """The indexes of large tables, each for the lists that a column sorts or selects.

    ``deleted`` is last: as the first column it tempts MariaDB to find all live rows and to sort
    them; here the server skips deleted rows inside the index.
    """
    return tuple(Index(None, column, "id", "deleted") for column in columns)


class Goal(WithName, Base):
    """What an audit wants to reach; rows follow the installed plug-ins."""

    __tablename__ = "goals"
    __table_args__ = (UniqueConstraint("name", "deleted"),)

    display_name: Mapped[str] = mapped_column(String(63))
    efficacy_specification: Mapped[list[Any]] = mapped_column(default=list)


class Strategy(WithName, Base):
    """A way to reach a goal; rows follow the installed plug-ins."""

    __tablename__ = "strategies"
    __table_args__ = (UniqueConstraint("name", "deleted"),)

    display_name: Mapped[str] = mapped_column(String(63))
    goal_id: Mapped[int] = mapped_column(ForeignKey("goals.id"), index=True)
    parameters_spec: Mapped[dict[str, Any] | None]

    goal: Mapped[Goal] = relationship(lazy="raise")


class AuditTemplate(WithName, Base):
    """A prepared request: audits made from it copy its goal, strategy and scope."""

    __tablename__ = "audit_templates"
    __table_args__ = (
        UniqueConstraint("name", "deleted"),
        *_sorted("goal_id", "strategy_id", "description", "created_at", "updated_at"),
    )

    description: Mapped[str | None] = mapped_column(String(255))
    goal_id: Mapped[int] = mapped_column(ForeignKey("goals.id"))
    strategy_id: Mapped[int | None] = mapped_column(ForeignKey("strategies.id"))
    scope: Mapped[list[Any]] = mapped_column(default=list)
    default_parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)

    goal: Mapped[Goal] = relationship(lazy="raise")
    strategy: Mapped[Strategy | None] = relationship(lazy="raise")


class Audit(WithMessage, WithName, Base):
    """A request to optimise, once, on a schedule, or on an event.

    ``next_run_time`` is when a CONTINUOUS audit is due, and when an EVENT audit was asked to run.
    ``epoch`` counts the claims by decision engines: a superseded one cannot write any more. A
    claim that is worked on has ``running_since``; ``failures`` are runs that failed in a row.
    ``why_not`` is what the last run's constraints refused (``watcher.core.refusals``).
    ``dry_run``: its plans are to be looked at and are never started (``watcher.db.leases``).
    """

    __tablename__ = "audits"
    __table_args__ = (
        UniqueConstraint("name", "deleted"),
        *_sorted("goal_id", "strategy_id", "audit_type", "state", "interval", "auto_trigger"),
        *_sorted("next_run_time", "hostname", "start_time", "end_time", "force"),
        *_sorted("status_message", "created_at", "updated_at"),
        _known(states.AUDIT),
    )

    audit_type: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20), default="PENDING")
    parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    interval: Mapped[str | None] = mapped_column(String(36))
    goal_id: Mapped[int] = mapped_column(ForeignKey("goals.id"))
    strategy_id: Mapped[int | None] = mapped_column(ForeignKey("strategies.id"))
    scope: Mapped[list[Any]] = mapped_column(default=list)
    auto_trigger: Mapped[bool] = mapped_column(Boolean, default=False)
    next_run_time: Mapped[datetime | None]
    hostname: Mapped[str | None] = mapped_column(String(255))
    start_time: Mapped[datetime | None]
    end_time: Mapped[datetime | None]
    force: Mapped[bool] = mapped_column(Boolean, default=False)
    epoch: Mapped[int] = mapped_column(default=0)
    running_since: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(default=0)
    on_failure: Mapped[str | None] = mapped_column(String(20))
    template_uuid: Mapped[str | None] = mapped_column(String(36), index=True)
    why_not: Mapped[dict[str, Any] | None]
    dry_run: Mapped[bool] = mapped_column(Boolean, default=False)

    goal: Mapped[Goal] = relationship(lazy="raise")
    strategy: Mapped[Strategy | None] = relationship(lazy="raise")


class ActionPlan(WithMessage, WithUuid, Base):
    """What an audit recommends to do, and how far it got.

    ``epoch`` counts the appliers that took the plan: a superseded one cannot write any more.
    ``on_failure`` is continue, stop or rollback; null leaves it to the applier's configuration.
    ``evidence`` is what it was made from (``watcher.report.evidence``), perhaps a megabyte: it is
    read when it is asked for only.
    """

    __tablename__ = "action_plans"
    __table_args__ = (
        *_sorted("audit_id", "strategy_id", "state", "hostname", "status_message"),
        *_sorted("created_at", "updated_at"),
        _known(states.ACTION_PLAN),
    )

    audit_id: Mapped[int] = mapped_column(ForeignKey("audits.id"))
    strategy_id: Mapped[int | None] = mapped_column(ForeignKey("strategies.id"))
    state: Mapped[str] = mapped_column(String(20), default="RECOMMENDED")
    global_efficacy: Mapped[list[Any]] = mapped_column(default=list)
    hostname: Mapped[str | None] = mapped_column(String(255))
    epoch: Mapped[int] = mapped_column(default=0)
    on_failure: Mapped[str | None] = mapped_column(String(20))
    evidence: Mapped[bytes | None] = mapped_column(Bytes, deferred=True)

    audit: Mapped[Audit] = relationship(lazy="raise")
    strategy: Mapped[Strategy | None] = relationship(lazy="raise")
    indicators: Mapped[list["EfficacyIndicator"]] = relationship(
        lazy="raise", back_populates="action_plan", order_by="EfficacyIndicator.id"
    )


class Action(WithMessage, WithUuid, Base):
    """One thing to do to the cloud; ``position`` is its place in the plan, counted from 0.

    ``before`` is what was there before it was begun, as its handler saw it; ``undoes`` is the uuid
    of the action that this one takes back or makes good.
    """

    __tablename__ = "actions"
    __table_args__ = (
        *_sorted("action_plan_id", "action_type", "state", "status_message"),
        *_sorted("created_at", "updated_at"),
        _known(states.ACTION),
        Index(None, "action_type", "updated_at"),
    )

    action_plan_id: Mapped[int] = mapped_column(ForeignKey("action_plans.id"))
    action_type: Mapped[str] = mapped_column(String(255))
    input_parameters: Mapped[dict[str, Any]] = mapped_column(default=dict)
    state: Mapped[str] = mapped_column(String(20), default="PENDING")
    parents: Mapped[list[Any]] = mapped_column(default=list)
    position: Mapped[int] = mapped_column(default=0)
    before: Mapped[dict[str, Any] | None]
    undoes: Mapped[str | None] = mapped_column(String(36))

    action_plan: Mapped[ActionPlan] = relationship(lazy="raise")


class EfficacyIndicator(WithUuid, Base):
    """One number that says what a plan is worth."""

    __tablename__ = "efficacy_indicators"

    name: Mapped[str] = mapped_column(String(63))
    description: Mapped[str | None] = mapped_column(String(255))
    unit: Mapped[str | None] = mapped_column(String(63))
    value: Mapped[float] = mapped_column(Double)
    action_plan_id: Mapped[int] = mapped_column(ForeignKey("action_plans.id"), index=True)

    action_plan: Mapped[ActionPlan] = relationship(lazy="raise", back_populates="indicators")


class ScoringEngine(WithName, Base):
    """A scoring engine plug-in; ``metainfo`` is free text, often JSON."""

    __tablename__ = "scoring_engines"
    __table_args__ = (UniqueConstraint("name", "deleted"),)

    description: Mapped[str | None] = mapped_column(String(255))
    metainfo: Mapped[str] = mapped_column(Text, default="")


class Service(Base):
    """The heartbeat of one daemon on one host; known outside by its integer id."""

    __tablename__ = "services"
    __table_args__ = (UniqueConstraint("host", "name", "deleted"),)

    name: Mapped[str] = mapped_column(String(255))
    host: Mapped[str] = mapped_column(String(255))
    last_seen_up: Mapped[datetime | None]


class Lease(Base):
    """A resource, as ``kind:identifier``, that a plan at work has for itself or shares."""

    __tablename__ = "leases"

    resource: Mapped[str] = mapped_column(String(300), index=True)
    shared: Mapped[bool] = mapped_column(Boolean)
    action_plan_id: Mapped[int] = mapped_column(ForeignKey("action_plans.id"), index=True)


class Lock(Base):
    """A lock that all daemons share; see ``watcher.db.locks``."""

    __tablename__ = "locks"

    name: Mapped[str] = mapped_column(String(63), unique=True)


class ActionDescription(Base):
    """What an action type does, in the words of the applier's plug-in."""

    __tablename__ = "action_descriptions"

    action_type: Mapped[str] = mapped_column(String(255), unique=True)
    description: Mapped[str] = mapped_column(String(255))


LIFECYCLES: dict[type[Base], states.Lifecycle] = {
    Audit: states.AUDIT,
    ActionPlan: states.ACTION_PLAN,
    Action: states.ACTION,
}
"""The rows that have states, and what moves they may make."""

OVERLAP = "The newer action plan {} is about "
"""Begins the status message of a recommended plan while a newer one wants what it wants."""
AT_WORK = ("PENDING", "ONGOING", "CANCELLING")
"""The states of a plan that was started and has not ended."""
