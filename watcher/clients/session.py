# SPDX-License-Identifier: Apache-2.0
"""Sessions to the cloud's services, and their errors in our words.

A section of a service ([nova], [placement]) that names no credentials of its own uses those of
[watcher_clients_auth] (contract/config.md §10).
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from threading import Event, RLock
from typing import Any

from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1 import loading
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from novaclient import client as nova_client
from novaclient import exceptions as nova_errors
from oslo_config import cfg
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_fixed
from tenacity.nap import sleep_using_event

from watcher.config import Group
from watcher.core.errors import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    ServiceDown,
    WatcherError,
)

SHARED = "watcher_clients_auth"
SERVICE_TYPES = {
    "nova": "compute",
    "placement": "placement",
    "cinder": "block-storage",
    "ironic": "baremetal",
}
OLDEST_NOVA = (2, 56)
PLACEMENT_VERSION = "1.29"
CINDER_VERSION = "3.59"
"""Block storage microversion of every request; any Cinder since 2019 knows it."""
IRONIC_VERSION = "1.31"
"""Bare metal microversion of every request: power changes with a time limit, and soft ones."""
TRANSIENT = frozenset({429, 502, 503, 504})
"""HTTP answers after which the same question may be asked again."""
TLS_OPTIONS = ("cafile", "certfile", "keyfile", "insecure", "timeout")


def _service_group(name: str, title: str, *options: cfg.Opt, interface: str) -> Group:
    """A service's section: adapter, TLS and credentials, with the former places still read."""
    former = f"{name}_client"
    adapter = loading.get_adapter_conf_options(
        include_deprecated=False,
        deprecated_opts={
            "valid-interfaces": [cfg.DeprecatedOpt(interface, group=former)],
            "region-name": [cfg.DeprecatedOpt("region_name", group=former)],
        },
    )
    cfg.set_defaults(adapter, service_type=SERVICE_TYPES[name])
    if name == "ironic":  # its catalog entry is the root, below which there are versions
        cfg.set_defaults(adapter, min_version="1", max_version="latest")
    return Group(name, title, [*options, *adapter, *_credentials()], _password())


def _credentials() -> list[cfg.Opt]:
    return [*loading.get_session_conf_options(), *loading.get_auth_common_conf_options()]


def _password() -> list[cfg.Opt]:
    """What ``auth_type = password`` asks for, the login that nearly everybody uses."""
    found: list[cfg.Opt] = loading.get_auth_plugin_conf_options("password")
    return found


OPTIONS = (
    Group(SHARED, "Credentials for every service without its own", _credentials(), _password()),
    _service_group(
        "nova",
        "The compute service",
        cfg.StrOpt(
            "api_version",
            default="2.56",
            deprecated_group="nova_client",
            help="Compute microversion of requests that change something, 2.56 or newer. Reading"
            " uses the newest one both sides know.",
        ),
        cfg.IntOpt("http_retries", default=3, min=1, help="Tries of a request to Nova."),
        cfg.FloatOpt("http_retry_interval", default=2.0, min=0.1, help="Seconds between tries."),
        cfg.IntOpt(
            "migration_max_retries",
            default=180,
            min=1,
            help="Polls without any progress after which a migration counts as failed.",
        ),
        cfg.FloatOpt(
            "migration_interval",
            default=5.0,
            min=0.1,
            help="Seconds between two looks at the migrations that are running.",
        ),
        interface="endpoint_type",
    ),
    _service_group("placement", "The placement service", interface="interface"),
    _service_group(
        "cinder",
        "The block storage service",
        cfg.IntOpt(
            "migration_max_retries",
            default=180,
            min=1,
            help="Looks at a volume without any change after which its migration or retype counts"
            " as failed; time for its size comes on top.",
        ),
        cfg.FloatOpt(
            "migration_interval",
            default=10.0,
            min=0.1,
            help="Seconds between two looks at a volume that is moved.",
        ),
        cfg.FloatOpt(
            "migration_seconds_per_gb",
            default=60.0,
            min=0,
            help="Seconds that copying one GiB of a volume may take at most; Cinder tells no"
            " progress of a copy.",
        ),
        interface="endpoint_type",
    ),
    _service_group(
        "ironic",
        "The bare metal service",
        cfg.IntOpt(
            "power_max_retries",
            default=60,
            min=1,
            help="Looks at a machine, or at its compute service, after which a change of power"
            " counts as failed.",
        ),
        cfg.FloatOpt(
            "power_interval",
            default=10.0,
            min=0.1,
            help="Seconds between two looks at a machine whose power is switched.",
        ),
        interface="endpoint_type",
    ),
)


class Clients:
    """The wires to the cloud, made when first used, shared by all threads.

    Raises Invalid when [nova] api_version is not one Watcher can work with.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf
        self._lock = RLock()
        self._made: dict[str, Any] = {}
        self.nova_version = _nova_version(conf.nova.api_version)

    @property
    def nova(self) -> Any:
        """A novaclient Client at [nova] api_version; wrap its calls in ``translated("nova")``.

        It never repeats a request by itself: a repeated POST could act twice.
        """
        return self._once("nova", self._make_nova)

    @property
    def compute(self) -> Adapter:
        """Nova's API as plain HTTP, at [nova] api_version unless a call says otherwise."""
        return self._once("compute", lambda: self._adapter("nova", self.nova_version))

    @property
    def placement(self) -> Adapter:
        """Placement's API as plain HTTP."""
        return self._once("placement", lambda: self._adapter("placement", PLACEMENT_VERSION))

    @property
    def block_storage(self) -> Adapter:
        """Cinder's API as plain HTTP; its errors are those of ``translated("cinder")``."""
        return self._once("block_storage", lambda: self._adapter("cinder", CINDER_VERSION))

    @property
    def bare_metal(self) -> Adapter:
        """Ironic's API as plain HTTP; its errors are those of ``translated("ironic")``."""
        return self._once("bare_metal", lambda: self._adapter("ironic", IRONIC_VERSION))

    @cached_property
    def volume_polls(self) -> tuple[int, float, float]:
        """Looks without change at a volume on the move, seconds between, seconds for each GiB."""
        own = self._conf.cinder
        return own.migration_max_retries, own.migration_interval, own.migration_seconds_per_gb

    @cached_property
    def power_polls(self) -> tuple[int, float]:
        """How many looks a change of power may take, and the seconds between two."""
        return self._conf.ironic.power_max_retries, self._conf.ironic.power_interval

    @cached_property
    def nova_retries(self) -> tuple[int, float]:
        """How often, and after how many seconds, a request to Nova may be repeated."""
        return self._conf.nova.http_retries, self._conf.nova.http_retry_interval

    @cached_property
    def migration_polls(self) -> tuple[int, float]:
        """How many looks at a migration may find no progress, and the seconds between two."""
        return self._conf.nova.migration_max_retries, self._conf.nova.migration_interval

    def _once(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._made:
                self._made[name] = make()
            return self._made[name]

    def _make_nova(self) -> Any:
        adapter = self.compute
        return nova_client.Client(
            self.nova_version,
            session=adapter.session,
            service_type=adapter.service_type,
            service_name=adapter.service_name,
            endpoint_type=adapter.interface,
            region_name=adapter.region_name,
            endpoint_override=adapter.endpoint_override,
        )

    def _adapter(self, group: str, microversion: str) -> Adapter:
        with translated(group):
            return loading.load_adapter_from_conf_options(
                self._conf,
                group,
                session=self._session(group),
                default_microversion=microversion,
            )

    def _session(self, group: str) -> Session:
        own = self._conf[group]
        if not own.auth_type and not own.auth_section:
            if group != SHARED and not any(own[name] for name in TLS_OPTIONS):
                return self._once(SHARED, lambda: self._session(SHARED))
            auth = _load_auth(self._conf, SHARED)
        else:
            auth = _load_auth(self._conf, group)
        return loading.load_session_from_conf_options(self._conf, group, auth=auth)


def _load_auth(conf: cfg.ConfigOpts, group: str) -> Any:
    loading.register_auth_conf_options(conf, group)
    auth = loading.load_auth_from_conf_options(conf, group)
    if auth is None:
        raise Invalid(
            f"no credentials: set auth_type, auth_url, username, password, ... in [{SHARED}]"
        )
    return auth


def _nova_version(text: str) -> str:
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_NOVA:
        raise Invalid(f"[nova] api_version is {text!r}; Watcher needs 2.56 or newer")
    return text


def retrying(
    tries: int,
    interval_s: float,
    stop: Event | None = None,
    passing: type[WatcherError] | None = None,
) -> Retrying:
    """Repeat a request that failed for a passing reason; ``stop`` ends the waits between tries.

    Passing are errors of that type, else what translation found to be so.
    """
    return Retrying(
        stop=stop_after_attempt(tries),
        wait=wait_fixed(interval_s),
        retry=retry_if_exception_type(passing or _Passing),
        sleep=sleep_using_event(stop or Event()),
        reraise=True,
    )


class Absent(ServiceDown):
    """Keystone's catalog does not have the service: this cloud has none, or it is misnamed."""


class _Passing(ServiceDown):
    """No answer this time; the same request may succeed in a moment."""


class _Missing(NotFound):
    """NotFound in the service's own words."""

    def __init__(self, service: str, text: str) -> None:
        super().__init__(service, text)
        self.args = (text,)


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Turn what keystoneauth and novaclient raise into ours, with the service's own text.

    ``service`` is a section's name: nova, cinder, ironic, ... Raises ServiceDown for no
    connection, refused credentials, 429 and 5xx; NotFound, Conflict, Forbidden, Invalid for the
    answers of those names. The foreign error is the ``__cause__``.
    """
    try:
        yield
    except keystone_errors.HttpError as error:
        raise _answered(service, error.http_status, _own_words(error)) from error
    except nova_errors.ClientException as error:
        raise _answered(service, error.code, error.message or error) from error
    except keystone_errors.AuthPluginException as error:
        raise Invalid(
            f"credentials in [{service}] or [{SHARED}] cannot be used: {_line(error)}"
        ) from error
    except keystone_errors.CatalogException as error:
        raise Absent(
            f"{service.title()} is not in Keystone's catalog: {_line(error)} Check region_name,"
            f" valid_interfaces and endpoint_override in [{service}]"
        ) from error
    except keystone_errors.ClientException as error:
        raise _unanswered(service, error) from error
    except nova_errors.UnsupportedVersion as error:
        raise Invalid(f"{service.title()}: {_line(error)}") from error


def _own_words(error: keystone_errors.HttpError) -> object:
    """What the service wrote; keystoneauth does not know Nova's envelope of one named member."""
    try:
        body = error.response.json() if error.response is not None else None
    except ValueError:
        body = None
    inner = next(iter(body.values()), None) if isinstance(body, dict) and len(body) == 1 else None
    text = inner.get("message") if isinstance(inner, dict) else None
    return text or error.message or error


def _answered(service: str, status: int, said: object) -> WatcherError:
    name, text = service.title(), _line(said)
    if status == 401:
        return ServiceDown(
            f"{name}: the credentials were refused ({text}); check [{service}] and [{SHARED}]"
        )
    if status == 404:
        return _Missing(name, text)
    if status >= 500 or status == 429:
        down = _Passing if status in TRANSIENT else ServiceDown
        return down(f"{name} answers with HTTP {status}: {text}")
    if status == 403:
        return Forbidden(f"{name} refuses Watcher's user, who needs the role admin: {text}")
    return Conflict(f"{name}: {text}") if status == 409 else Invalid(f"{name}: {text}")


def _unanswered(service: str, error: Exception) -> ServiceDown:
    text = _line(error)
    url = re.search(r"https?://[^\s'\",)]+", text)
    where = url[0].rstrip(":.") if url else "any known address"
    name, check = service.title(), f"[{service}] endpoint_override or its catalog entry"
    if "/auth/tokens" in where or "auth_url" in text or "identity" in text:
        name, check = "Keystone", f"auth_url in [{service}] or [{SHARED}]"
    passing = keystone_errors.RetriableConnectionFailure, keystone_errors.DiscoveryFailure
    down = _Passing if isinstance(error, passing) else ServiceDown
    return down(
        f"{name} does not answer at {where}: {_reason(text)}; check that it runs, and {check}"
    )


def _reason(text: str) -> str:
    """The innermost reason in what requests and urllib3 wrap several times."""
    for pattern in (r"\[Errno -?\d+\] ([^'\")]+)", r"RemoteDisconnected\('([^']+)", r"timed out"):
        match = re.search(pattern, text)
        if match:
            return match[1] if match.groups() else "no answer in time"
    return text[:200]


def _line(error: object) -> str:
    return " ".join(str(error).split())
