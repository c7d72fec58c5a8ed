# SPDX-License-Identifier: Apache-2.0
"""Who asks, under which request id, and which audit or plan and action the log lines are about.

A context belongs to a thread. ``about`` makes it that of a job and puts the former one back at its
end, so that a thread of a pool says nothing false afterwards; ``Threads`` takes it into a pool.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from oslo_context import context
from oslo_context.context import _request_store, get_current  # no public way to end one

P = ParamSpec("P")
T = TypeVar("T")

NOTHING = "-"
"""What a log line says it is about when it is about no audit, plan or action."""


class RequestContext(context.RequestContext):
    """oslo.context's, which travels over the bus.

    ``resource_uuid`` is the audit or plan that is worked on, ``action_uuid`` the action of a plan.
    """

    action_uuid: str | None = None

    @property
    def resource(self) -> str:
        """Audit or plan, and action, or a dash: the word at the head of each log line."""
        return " ".join(filter(None, (self.resource_uuid, self.action_uuid))) or NOTHING

    def get_logging_values(self) -> dict[str, Any]:
        """What the formatters of oslo.log can show."""
        return {
            **super().get_logging_values(),
            "action_uuid": self.action_uuid,
            "resource": self.resource,
        }


@contextmanager
def about(
    resource_uuid: str | None,
    origin: Mapping[str, Any] | None = None,
    action_uuid: str | None = None,
) -> Iterator[RequestContext]:
    """The context of a daemon's own job about an audit or plan, and perhaps one of its actions.

    It is current in the block. ``origin`` is the context that came with a message, so that the
    request id is kept.
    """
    with _kept():
        made = RequestContext.from_dict(dict(origin or {}))
        made.resource_uuid, made.action_uuid = resource_uuid, action_uuid
        made.update_store()
        yield made


@contextmanager
def named(uuid: str, *, action: bool = False) -> Iterator[None]:
    """The log lines of the block are about this row, where they are about nothing in particular.

    An ``action`` is told beside the plan that is worked on. The request id stays.
    """
    now = get_current()
    resource = None if now is None else now.resource_uuid
    if resource and (resource == uuid or not action):
        yield
        return
    origin = None if now is None else now.to_dict()
    with about(resource or uuid, origin, uuid if resource else None):
        yield


@contextmanager
def _kept() -> Iterator[None]:
    before = get_current()
    try:
        yield
    finally:
        _request_store.context = before


def forget() -> None:
    """What this thread logs from now on is about nothing any more."""
    _request_store.context = None


class Threads(ThreadPoolExecutor):
    """A thread pool whose work is about what that of its caller is about."""

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Have a thread do this, in the context of the thread that asks."""
        mine = get_current()

        def carried() -> T:
            with _kept():
                _request_store.context = mine
                return work(*args, **kwargs)

        return super().submit(carried)
