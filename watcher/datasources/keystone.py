# SPDX-License-Identifier: Apache-2.0
"""A metric store that Keystone's catalog names and whose requests carry a token."""

import threading
import time
from typing import Any

from keystoneauth1 import exceptions as keystone_errors
from keystoneauth1 import loading
from oslo_config import cfg
from requests import Response

from watcher.clients.session import SHARED, translated
from watcher.core.errors import Invalid, WatcherError

ABSENT_FOR_S = 60.0
"""A store that the catalog does not have is looked for again after this."""


def credential_options() -> tuple[list[cfg.Opt], list[cfg.Opt]]:
    """The options of a section that may have its own credentials, and those of ``password``."""
    common = [*loading.get_session_conf_options(), *loading.get_auth_common_conf_options()]
    return common, loading.get_auth_plugin_conf_options("password")


class Catalogued:
    """One service of the catalog: its address, and requests with a token.

    ``interface`` is the name of the option of ``group`` that says which endpoint.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, group: str, service_type: str, interface: str
    ) -> None:
        self._conf = conf
        self._group = group
        self._type = service_type
        self._interface = interface
        self._lock = threading.Lock()
        self._session: Any = None
        self._found = ""
        self._looked_at = -ABSENT_FOR_S

    @property
    def configured(self) -> bool:
        """Whether there are credentials and, as far as that answers, a place in the catalog."""
        own = self._conf[self._group]
        shared = self._conf[SHARED]
        if not any((own.auth_type, own.auth_section, shared.auth_type, shared.auth_section)):
            return False
        try:
            return bool(self.url)
        except WatcherError:  # a fetch tells why
            return True

    @property
    def url(self) -> str:
        """Its address; '' when the catalog has none. Raises Unavailable or Invalid."""
        own = self._conf[self._group]
        if own.endpoint_override:
            return str(own.endpoint_override).rstrip("/")
        with self._lock:
            absent = time.monotonic() - self._looked_at < ABSENT_FOR_S
            if not self._found and not absent:
                self._found = self._endpoint(own)
                self._looked_at = time.monotonic()
            return self._found

    def _endpoint(self, own: Any) -> str:
        interface = str(own[self._interface]).removesuffix("URL")
        with translated(self._group):
            try:
                found = self._ours().get_endpoint(
                    service_type=self._type, interface=interface, region_name=own.region_name
                )
            except keystone_errors.CatalogException:
                found = None
        return str(found or "").rstrip("/")

    def _ours(self) -> Any:
        if self._session is None:
            own = self._conf[self._group]
            group = self._group if own.auth_type or own.auth_section else SHARED
            with translated(self._group):
                loading.register_auth_conf_options(self._conf, group)
                auth = loading.load_auth_from_conf_options(self._conf, group)
                if auth is None:
                    raise Invalid(f"no credentials in [{self._group}] or [{SHARED}]")
                self._session = loading.load_session_from_conf_options(
                    self._conf, group, auth=auth
                )
        return self._session

    def send(self, url: str, method: str, **more: Any) -> Response:
        """One request with a token. Raises what keystoneauth and requests raise."""
        try:
            session = self._ours()
        except WatcherError as error:
            raise keystone_errors.ClientException(str(error)) from error
        response: Response = session.request(
            url,
            method,
            redirect=False,
            raise_exc=False,
            log=False,
            connect_retries=0,
            **{key: value for key, value in more.items() if key != "allow_redirects"},
        )
        return response
