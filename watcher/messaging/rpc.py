# SPDX-License-Identifier: Apache-2.0
"""Everything the daemons say to each other: four messages, with plain values only.

A cast is a doorbell: the truth is in the database, and a daemon that misses a message finds the
work there later. So a cast that fails raises ServiceDown after a few seconds and the caller may go
on without it. The server's endpoint has methods of the same names; they get the sender's context
as a dict, to be handed to ``watcher.context.about``.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import oslo_messaging
from oslo_config import cfg

from watcher import config
from watcher.context import RequestContext
from watcher.core.errors import ServiceDown, WatcherError
from watcher.messaging.packing import unpack
from watcher.messaging.transport import FAILED, Bus, knock, translated
from watcher.telemetry import meters

LOG = logging.getLogger(__name__)

OPTIONS = (
    config.Group(
        "watcher_decision_engine",
        "The decision engine",
        [
            cfg.StrOpt(
                "conductor_topic",
                default="watcher.decision.control",
                help="Topic on which decision engines are asked.",
            )
        ],
    ),
    config.Group(
        "watcher_applier",
        "The applier",
        [
            cfg.StrOpt(
                "conductor_topic",
                default="watcher.applier.control",
                help="Topic on which appliers are asked.",
            )
        ],
    ),
)

ANSWER_TIMEOUT_S = 10
"""The longest an API request waits for the decision engine, whatever ``rpc_response_timeout``."""

expected = oslo_messaging.expected_exceptions(WatcherError)
"""Decorator for an endpoint's method: its WatcherErrors are answers, not failures to be logged."""


class DecisionEngine:
    """What can be asked of the decision engines; any one of them answers."""

    def __init__(self, bus: Bus) -> None:
        client = bus.client(_topic(bus.conf, "watcher_decision_engine"))
        timeout_s = min(bus.conf.rpc_response_timeout, ANSWER_TIMEOUT_S)
        self._client = client.prepare(timeout=timeout_s)

    def trigger_audit(self, context: RequestContext, uuid: str) -> None:
        """Ring: there is an audit to run. Raises ServiceDown when the bus does not take it."""
        _cast(self._client, context, "trigger_audit", uuid=uuid)

    def get_strategy_info(self, context: RequestContext, name: str) -> list[dict[str, Any]]:
        """What a strategy requires and whether it is there (contract: rest-api 13.1).

        Raises ServiceDown when no decision engine answers, and what the engine raises.
        """
        return list(_call(self._client, context, "get_strategy_info", name=name))

    def get_data_model_info(
        self, context: RequestContext, data_model_type: str, audit_uuid: str | None
    ) -> dict[str, Any]:
        """The engine's picture of the cluster, within an audit's scope if one is given.

        ``context`` are its rows, ``model`` says how old it is and how it came about. Raises
        ServiceDown when no decision engine answers, and what the engine raises.
        """
        asked = {"data_model_type": data_model_type, "audit_uuid": audit_uuid}
        return dict(unpack(_call(self._client, context, "get_data_model_info", **asked)))


class Applier:
    """What can be asked of the appliers; any one of them answers."""

    def __init__(self, bus: Bus) -> None:
        self._client = bus.client(_topic(bus.conf, "watcher_applier"))

    def launch_action_plan(self, context: RequestContext, uuid: str) -> None:
        """Ring: there is a plan to run. Raises ServiceDown when the bus does not take it."""
        _cast(self._client, context, "launch_action_plan", uuid=uuid)


def _topic(conf: cfg.ConfigOpts, name: str) -> str:
    for group in OPTIONS:
        group.register(conf)
    return str(conf[name].conductor_topic)


def _plain(context: RequestContext) -> dict[str, Any]:
    """The context for the wire, without the user's token: no daemon acts in the user's name."""
    return {**context.to_dict(), "auth_token": None}


@contextmanager
def _counted(method: str, success: str) -> Iterator[None]:
    """Count a message by what became of it."""
    outcome = "failed"
    try:
        yield
        outcome = success
    except ServiceDown:
        raise
    except WatcherError:
        outcome = "refused"
        raise
    finally:
        meters.RPC_MESSAGES.labels(method, outcome).inc()


def _cast(client: Any, context: RequestContext, method: str, **values: Any) -> None:
    with _counted(method, "sent"), translated():
        client.cast(_plain(context), method, **values)


def _call(client: Any, context: RequestContext, method: str, **values: Any) -> Any:
    """What the far end answers; what it did not foresee is ServiceDown, whatever the driver."""
    try:
        with _counted(method, "answered"), translated():
            knock(client, _plain(context))
            return client.call(_plain(context), method, **values)
    except WatcherError:
        raise
    except Exception as error:  # the far end's, of any type: it is logged and the caller told
        LOG.exception("%s failed at the far end", method)
        raise ServiceDown(FAILED) from error
