# SPDX-License-Identifier: Apache-2.0
"""The bus: the one place that knows oslo.messaging's transports.

oslo.messaging 18.3 keeps its ``[oslo_messaging_tracing]`` options on the global ``cfg.CONF`` and
looks for them on whatever ConfigOpts it was given. The daemons hand ``cfg.CONF`` to ``Bus``; a
test with a ConfigOpts of its own wraps it in ``oslo_messaging.conffixture.ConfFixture`` first.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import oslo_messaging
from kombu.exceptions import OperationalError
from oslo_config import cfg
from oslo_messaging import exceptions, opts

from watcher.core import errors

LOG = logging.getLogger(__name__)

EXCHANGE = "watcher"
"""The default ``control_exchange`` (contract: config §2)."""

TRIAL_TOPIC = "watcher.trial"
"""Nobody listens here: the bus drops what it has taken."""

SEND_RETRIES = 1
"""Tries after the first to reach the bus before a message is given up: about three seconds."""


class Bus:
    """The message bus of ``transport_url``; ``fake://`` is one inside this process.

    Nothing is connected before it is needed. Raises Invalid for a URL that cannot be used.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        set_defaults()
        logging.getLogger("oslo_messaging._drivers.amqpdriver").addFilter(_briefly)
        self.conf = conf
        try:
            with translated():
                self._transport = oslo_messaging.get_rpc_transport(conf, allowed_remote_exmods=[])
        except ValueError as error:  # urllib's, for a port or an address that is none
            raise errors.Invalid(f"transport_url cannot be used: {error}") from error
        self._doors: list[tuple[Any, _Knocks]] = []

    def serve(self, topic: str, server: str, endpoint: object) -> Any:
        """A server that hands messages of a topic to an endpoint's methods, in threads.

        It has ``start()``, ``stop()`` and ``wait()``. Methods get the sender's context as a dict.
        """
        target, knocks = oslo_messaging.Target(topic=topic, server=server), _Knocks()
        self._doors.append((self.client(topic).prepare(server=server), knocks))
        return oslo_messaging.get_rpc_server(
            self._transport, target, [endpoint, _Door(knocks)], executor="threading"
        )

    def client(self, topic: str) -> Any:
        """A client of the servers of a topic."""
        target = oslo_messaging.Target(topic=topic)
        return oslo_messaging.get_rpc_client(self._transport, target, retry=SEND_RETRIES)

    def trial(self, wait_s: float) -> None:
        """Send a message to each server of this process and wait until it is there.

        A process that serves nothing only sends one. Raises ServiceDown when the bus takes no
        message, or does not bring it within ``wait_s`` seconds.
        """
        with translated():
            if not self._doors:
                knock(self.client(TRIAL_TOPIC), {})
            for client, knocks in self._doors:
                before = knocks.count
                knock(client, {})
                if not knocks.rise(before, wait_s):
                    raise errors.ServiceDown(
                        f"the message bus took a message and did not bring it in {wait_s:g} s"
                    )

    def notifier(self, publisher_id: str) -> "Notifier | None":
        """A notifier by ``[oslo_messaging_notifications]``, or None when no driver is set there.

        The option's default of endless tries would let a broken bus hold up a job: it gives up.
        """
        with translated():
            transport = oslo_messaging.get_notification_transport(self.conf)
            settings = self.conf.oslo_messaging_notifications
            if not any(name != "noop" for name in settings.driver):
                return None
            retry = settings.retry if settings.retry >= 0 else SEND_RETRIES
            return Notifier(oslo_messaging.Notifier(transport, publisher_id, retry=retry))

    def close(self) -> None:
        """Give back the connections."""
        self._transport.cleanup()


class Notifier:
    """Sends notifications, and says so when it cannot.

    oslo.messaging's own logs a traceback with the whole payload for each message that it cannot
    send, and returns as if it were sent. Its log is the only trace, so it is read here.
    """

    def __init__(self, notifier: oslo_messaging.Notifier) -> None:
        self._notifier = notifier
        logging.getLogger("oslo_messaging.notify.messaging").addFilter(_refused)

    def send(self, level: str, event_type: str, payload: dict[str, Any]) -> None:
        """Send with a priority of oslo.messaging's (debug, info, warn, error, critical).

        Raises ServiceDown when the bus did not take it.
        """
        with _refused.raised(), translated():
            getattr(self._notifier, level)({}, event_type, payload)


class _Refused(logging.Filter):
    """Keeps back the log records of notifications that could not be sent in this thread."""

    def __init__(self) -> None:
        super().__init__()
        self._here = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(self._here, "watching", False) or record.exc_info is None:
            return True
        self._here.error = record.exc_info[1]
        return False

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Raise ServiceDown after the block for what was kept back in it."""
        self._here.watching, self._here.error = True, None
        try:
            yield
        finally:
            self._here.watching = False
        if self._here.error is not None:
            raise errors.ServiceDown(f"the message bus does not answer: {self._here.error}")


_refused = _Refused()


def _briefly(record: logging.LogRecord) -> bool:
    """A message that came twice, as after each reconnection, is worth a line, no traceback."""
    if record.exc_info and type(record.exc_info[1]).__name__ == "DuplicateMessageError":
        record.exc_info = None
    return True


class _Knocks:
    """How often it was knocked at a door."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition()

    def add(self) -> None:
        """One more."""
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def rise(self, above: int, wait_s: float) -> bool:
        """Whether there are more than this, or will be within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.count > above, wait_s)


class _Door:
    """Takes the knocks of ``knock``; its public methods are what the bus can call."""

    def __init__(self, knocks: _Knocks) -> None:
        self._knocks = knocks

    def knock(self, context: dict[str, Any]) -> None:
        """Nothing to do: that the bus took the message, or brought it, was the question."""
        del context
        self._knocks.add()


def knock(client: Any, context: dict[str, Any]) -> None:
    """Find out whether the bus takes messages at all, before an answer is waited for.

    A cast gives up after its retries. A call first listens for its answer, and the driver tries to
    do that for ever, whatever the call's timeout (oslo.messaging 18.3).
    """
    client.cast(context, "knock")


def set_defaults() -> None:
    """Our defaults of oslo.messaging's options."""
    oslo_messaging.set_transport_defaults(control_exchange=EXCHANGE)


def set_default_url(conf: cfg.ConfigOpts, url: str) -> None:
    """What ``transport_url`` is when the configuration does not say; before the first ``Bus``."""
    set_defaults()
    for group, options in opts.list_opts():
        if group is None:
            conf.register_opts(options)
    conf.set_default("transport_url", url)


FAILED = "the service failed unexpectedly; its log has the reason"
"""What is told of an error that a server did not foresee."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn oslo.messaging's errors into ours; one that a server raised keeps its own text."""
    try:
        yield
    except (oslo_messaging.InvalidTransportURL, oslo_messaging.DriverLoadFailure) as error:
        raise errors.Invalid(f"transport_url cannot be used: {error}") from error
    except oslo_messaging.RemoteError as error:
        raise _as_raised(error) from error
    except exceptions.MessagingTimeout as error:
        raise errors.ServiceDown("no service answered in time over the message bus") from error
    except (exceptions.MessagingException, OperationalError, OSError) as error:
        raise errors.ServiceDown(f"the message bus does not answer: {error}") from error


def _as_raised(error: oslo_messaging.RemoteError) -> errors.WatcherError:
    """The error of ours that a server raised, or ServiceDown for one that it did not foresee."""
    kind = getattr(errors, error.exc_type or "", None)
    if isinstance(kind, type) and issubclass(kind, errors.WatcherError):
        return kind.__new__(kind, error.value)  # NotFound's own __init__ wants kind and ident
    LOG.error("the far end failed with %s: %s", error.exc_type, error.value)
    return errors.ServiceDown(FAILED)
