# SPDX-License-Identifier: Apache-2.0
"""What the test cloud is made of, where it listens, and who may log in.

Every field of ``Settings`` but ``ports`` can be set by an environment variable
``WATCHER_CLOUD_<FIELD>`` at ``tools/cloud up``; what it ran with is kept in
``$WATCHER_STATE/cloud/settings.json`` for the other verbs and for the tests.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib

from tests.cloud.process import ADDRESS, STATE, free_port, listening

HERE = pathlib.Path(__file__).resolve().parent
HOME = STATE / "cloud"
VENV, ETC, DATA = (HOME / name for name in ("venv", "etc", "data"))
STORED = HOME / "settings.json"

REGION = "RegionOne"
PASSWORD = "for-tests-only"


@dataclasses.dataclass(frozen=True)
class Api:
    """One OpenStack API: its WSGI module and what the catalog says of it."""

    name: str
    module: str
    kind: str
    path: str = ""


APIS = (
    Api("keystone", "keystone.wsgi.api", "identity", "/v3"),
    Api("placement", "placement.wsgi.api", "placement"),
    Api("glance", "glance.wsgi.api", "image"),
    Api("neutron", "neutron.wsgi.api", "network"),
    Api("nova", "nova.wsgi.osapi_compute", "compute", "/v2.1"),
    Api("cinder", "cinder.wsgi.api", "block-storage", "/v3"),
    # Not run here: the tests start it on the port that is kept for it.
    Api("watcher", "", "infra-optim"),
)


@dataclasses.dataclass
class Settings:
    """The size of the cloud and the ports it has."""

    computes: int = 6
    host_vcpus: int = 8
    host_memory_mb: int = 32768
    host_disk_gb: int = 200
    live_migration_seconds: float = 1.0
    servers: int = 20
    cinder: int = 1
    debug: int = 0
    ports: dict[str, int] = dataclasses.field(default_factory=dict)

    def apis(self) -> list[Api]:
        """The APIs that this cloud runs."""
        return [api for api in APIS if api.module and (api.name != "cinder" or self.cinder)]

    def catalog(self) -> list[Api]:
        """The APIs that Keystone's catalog lists: those, and Watcher's."""
        return [*self.apis(), *(api for api in APIS if not api.module)]

    def url(self, name: str) -> str:
        """The root URL of an API."""
        return f"http://{ADDRESS}:{self.ports[name]}"

    @property
    def auth_url(self) -> str:
        """Where Keystone issues tokens."""
        return f"{self.url('keystone')}/v3"

    def hosts(self) -> list[str]:
        """The names of the hypervisors: compute-01 and so on."""
        return [f"compute-{number:02}" for number in range(1, self.computes + 1)]

    def flag(self, name: str) -> str:
        """A number that is a truth value, in the words of oslo.config."""
        return "true" if getattr(self, name) else "false"


def load() -> Settings:
    """The environment wins over what `up` stored, which wins over the defaults."""
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    settings = Settings(**stored)
    for field in dataclasses.fields(Settings):
        text = os.environ.get(f"WATCHER_CLOUD_{field.name.upper()}")
        if text is not None and field.name != "ports":
            kind = type(getattr(settings, field.name))
            setattr(settings, field.name, kind(text))
    return settings


def choose_ports(settings: Settings, running: frozenset[str]) -> None:
    """Give every API a free port, the one of last time if nobody took it meanwhile.

    Args:
        settings: changed in place and stored.
        running: the APIs that listen on their port at this moment themselves.
    """
    for api in APIS:
        port = settings.ports.get(api.name)
        if port is None or (api.name not in running and listening(port)):
            settings.ports[api.name] = free_port(settings.ports.values())
    STORED.write_text(json.dumps(dataclasses.asdict(settings), indent=1) + "\n", encoding="utf-8")


def credentials(settings: Settings, user: str, project: str = "service") -> dict[str, str]:
    """How a user logs in, as the options of keystoneauth's password plugin."""
    return {
        "auth_url": settings.auth_url,
        "username": user,
        "password": PASSWORD,
        "project_name": project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
