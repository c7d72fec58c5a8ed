# SPDX-License-Identifier: Apache-2.0
"""HTTP to a metric store: one deadline for the whole answer, retries, errors in our words.

requests limits each wait for data, not their sum, so an answer that dribbles is cut off here.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
import urllib3
from keystoneauth1 import exceptions as keystone_errors
from oslo_config import cfg
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)
from tenacity.nap import sleep_using_event

from watcher.core.errors import ServiceDown

PASSING_STATUS = frozenset({429, 502, 503, 504})
LIMIT_S = 60.0
"""Time for one metric, with all tries, where no option says another."""
LOOK_S = 5.0
"""Time for a look at whether something is there, which people wait for."""

Send = Callable[..., requests.Response]


class Passing(ServiceDown):
    """No answer this time; the same question may be answered in a moment."""


class Refused(ServiceDown):
    """The store answered with an error: its HTTP status and what it said."""

    def __init__(self, text: str, status: int, said: Any) -> None:
        super().__init__(text)
        self.status = status
        self.said = said


def timeout_option() -> cfg.FloatOpt:
    """The deadline of a store, as each of them has it."""
    return cfg.FloatOpt(
        "timeout",
        default=LIMIT_S,
        min=1.0,
        mutable=True,
        help="Seconds in which one metric must be answered completely, with all tries.",
    )


def trust_options() -> list[cfg.Opt]:
    """Whom to trust, and who we are, over TLS."""
    return [
        cfg.StrOpt("cafile", help="PEM file of the authorities to trust."),
        cfg.StrOpt("certfile", help="PEM file of our own certificate."),
        cfg.StrOpt("keyfile", help="PEM file of its key."),
        cfg.BoolOpt("insecure", default=False, help="Trust any certificate."),
    ]


def session(options: Any) -> requests.Session:
    """A session with the TLS of a group that has ``trust_options``; it reads no .netrc."""
    made = requests.Session()
    made.verify = False if options.insecure else (options.cafile or True)
    if options.certfile:
        made.cert = (options.certfile, options.keyfile) if options.keyfile else options.certfile
    return made


class Authorization(requests.auth.AuthBase):
    """The Authorization header as given; without one nothing, whatever a .netrc says."""

    def __init__(self, text: str | None) -> None:
        self._text = text

    def __call__(self, request: Any) -> Any:
        """Put it on a request."""
        if self._text:
            request.headers["Authorization"] = self._text
        return request


class Wire:
    """Questions to one store over ``send``, a requests or keystoneauth session's ``request``.

    ``group`` is the section of its options, named in what the operator is told to look at.
    """

    def __init__(self, group: str, retries: Any, send: Send) -> None:
        self._group = group
        self._retries = retries
        self._send = send
        self.requests = 0
        """How many requests were sent."""

    def ask(
        self, method: str, url: str, limit_s: float, tries: int | None = None, **more: Any
    ) -> Any:
        """The JSON of the answer; asked again while it may help and there is time.

        Raises ServiceDown for no answer in time, Refused for an error.
        """
        deadline = time.monotonic() + limit_s
        again = retrying(self._retries, limit_s, tries)
        return again(self._once, method, url, deadline, more)

    def _once(self, method: str, url: str, deadline: float, more: dict[str, Any]) -> Any:
        self.requests += 1
        left_s = max(0.001, deadline - time.monotonic())
        try:
            with self._send(
                url, method, timeout=left_s, stream=True, allow_redirects=False, **more
            ) as response:
                with ended_by(deadline, response.raw, self._group):
                    body = response.raw.read(decode_content=True)
                return self._json(response, body)
        except (requests.exceptions.SSLError, keystone_errors.SSLError) as error:
            raise ServiceDown(
                f"no secure connection: {reason(error)}; check [{self._group}] cafile"
            ) from error
        except (requests.exceptions.Timeout, keystone_errors.ConnectTimeout) as error:
            raise ServiceDown(f"no answer in time ([{self._group}] timeout)") from error
        except (
            requests.exceptions.RequestException,
            keystone_errors.ConnectFailure,
            keystone_errors.UnknownConnectionError,
            urllib3.exceptions.HTTPError,
        ) as error:
            raise Passing(f"no answer: {reason(error)}; check that it runs") from error
        except keystone_errors.ClientException as error:
            raise ServiceDown(f"no token from Keystone for it: {reason(error)}") from error

    def _json(self, response: requests.Response, body: bytes) -> Any:
        status = response.status_code
        try:
            said = json.loads(body)
        except ValueError:
            said = None
        if status in (401, 403):
            raise Refused(
                f"the credentials are refused (HTTP {status}); check those in [{self._group}]",
                status,
                said,
            )
        if status >= 300:
            text = f"it answers with HTTP {status}: {_words(said, body)[:300]}"
            if status in PASSING_STATUS:
                raise Passing(text)
            raise Refused(text, status, said)
        if said is None:
            raise ServiceDown("the answer is no JSON; check the address")
        return said


def retrying(retries: Any, limit_s: float, tries: int | None = None) -> Retrying:
    """Ask again what failed for a passing reason, as [watcher_datasources] says."""
    return Retrying(
        stop=stop_after_attempt(tries or retries.query_max_retries)
        | stop_after_delay(limit_s - retries.query_interval),
        wait=wait_fixed(retries.query_interval),
        retry=retry_if_exception_type(Passing),
        sleep=sleep_using_event(threading.Event()),
        reraise=True,
    )


@contextlib.contextmanager
def ended_by(deadline: float, response: urllib3.BaseHTTPResponse, group: str) -> Iterator[None]:
    """Cut a response off at the deadline."""
    expired = threading.Event()

    def cut() -> None:
        expired.set()
        with contextlib.suppress(OSError, RuntimeError, ValueError):  # it has just ended by itself
            response.shutdown()

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except urllib3.exceptions.HTTPError as error:
        if expired.is_set():
            raise ServiceDown(f"no complete answer in time ([{group}] timeout)") from error
        raise
    finally:
        timer.cancel()


def _words(said: Any, body: bytes) -> str:
    """What a store says of an error, in whichever form and however deep."""
    for key in ("error_message", "error", "description", "message", "faultstring"):
        if isinstance(said, dict) and said.get(key):
            found = said[key]
            if isinstance(found, dict) and not found.keys() & {"faultstring", "message"}:
                return reason(json.dumps(found))
            return _words(found, str(found).encode())
    return reason(body)


def reason(error: object) -> str:
    """One line, its end rather than its beginning, of an exception or what a server said."""
    text = error.decode(errors="replace") if isinstance(error, bytes) else str(error)
    return " ".join(text.split())[-300:]
