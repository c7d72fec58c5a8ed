# SPDX-License-Identifier: Apache-2.0
"""Bring the test cloud up: databases, configuration, processes, catalog."""

from __future__ import annotations

import contextlib
import datetime
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from tests.cloud import schema, services
from tests.cloud.api import Cloud
from tests.cloud.config import Configuration, main_file
from tests.cloud.process import ADDRESS, Command, Processes, say, step, wait_for
from tests.cloud.settings import (
    DATA,
    ETC,
    HOME,
    PASSWORD,
    REGION,
    VENV,
    Api,
    Settings,
    choose_ports,
)

NOVA_MODULES = [
    "nova.cmd.compute",
    "nova.cmd.conductor",
    "nova.cmd.scheduler",
    "nova.compute.manager",
    "nova.conductor.manager",
    "nova.scheduler.manager",
    "nova.virt.fake",
    "nova.api.openstack.wsgi_app",
    "nova.api.openstack.compute",
]


def answers(url: str) -> bool:
    """Does an API answer at all? 300 and 401 are answers too."""
    try:
        urllib.request.urlopen(f"{url}/", timeout=5).close()
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False
    return True


class Boot:
    """Starts what is not running; `up` is idempotent."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.processes = Processes(HOME)

    # -- processes ------------------------------------------------------------

    def api_job(self, api: Api) -> tuple[list[str], dict[str, str]]:
        """The arguments of fakecloud.serve and the environment of an API.

        Each service has its own way to be told where its configuration is.
        """
        arguments = [api.module, ADDRESS, str(self.settings.ports[api.name])]
        env = {f"OS_{api.name.upper()}_CONFIG_DIR": str(ETC / api.name)}
        if api.name == "cinder":
            arguments += ["--config-file", str(main_file("cinder"))]
        if api.name == "neutron":
            env["OS_NEUTRON_CONFIG_FILES"] = "neutron.conf"
        return arguments, env

    def start_api(self, api: Api) -> None:
        """Start an API in a Python of its own."""
        arguments, env = self.api_job(api)
        command: Command = [VENV / "bin/python", "-m", "fakecloud.serve", *arguments]
        self.processes.start(f"{api.name}-api", command, env, cwd=DATA)

    def start_cinder(self) -> None:
        """Cinder's daemons, which are still on eventlet."""
        for name in ("cinder-scheduler", "cinder-volume"):
            command: Command = [VENV / "bin" / name, "--config-file", main_file("cinder")]
            self.processes.start(name, command, cwd=DATA)

    def nova_jobs(self) -> dict[str, dict[str, object]]:
        """All processes of Nova, as jobs of fakecloud.fork, by name."""
        config = ["--config-file", str(main_file("nova"))]
        api = next(api for api in self.settings.apis() if api.name == "nova")
        arguments, env = self.api_job(api)
        jobs: dict[str, dict[str, object]] = {
            "nova-scheduler": {"call": "nova.cmd.scheduler:main", "argv": config},
            "nova-api": {"call": "fakecloud.serve:main", "argv": arguments, "env": env},
            "nova-conductor": {
                "call": "nova.cmd.conductor:main",
                "argv": config,
                # A compute that asks too early asks again only 10 s later.
                "until": "Starting conductor node",
            },
        }
        for host in self.settings.hosts():
            argv = [*config, "--config-file", str(ETC / "nova" / f"{host}.conf")]
            jobs[f"nova-{host}"] = {"call": "nova.cmd.compute:main", "argv": argv}
        for name, job in jobs.items():
            program = "nova-compute" if "nova-compute-" in name else name
            log = str(self.processes.log(name))
            job.update({"program": program, "log": log, "detach": True})
        return jobs

    def start_nova(self) -> None:
        """Nova's processes that do not run, forked from one that has imported it."""
        missing = {
            name: job for name, job in self.nova_jobs().items() if not self.processes.pid(name)
        }
        if not missing:
            return
        modules = [f"--config-file={main_file('nova')}", *NOVA_MODULES]
        pids = schema.fork(modules, list(missing.values()), "nova")
        for name, pid in zip(missing, pids, strict=True):
            self.processes.remember(name, pid)

    def wait_for_apis(self, *names: str) -> None:
        """Wait until these APIs answer."""
        for name in names:
            url = self.settings.url(name)
            wait_for(name, lambda url=url: answers(url), alive=self.processes.dead)  # type: ignore[misc]

    # -- catalog --------------------------------------------------------------

    def register(self) -> None:
        """Service users and the catalog, in Keystone."""
        identity = Cloud(self.settings).identity

        def ensure(collection: str, name: str, **fields: Any) -> str:
            """The id of what has this name, made if need be."""
            found = identity.get(f"/{collection}", params={"name": name}).json()[collection]
            if found:
                return str(found[0]["id"])
            one = collection[:-1]
            body = {one: {"name": name, **fields}}
            return str(identity.post(f"/{collection}", json=body).json()[one]["id"])

        project = ensure("projects", "service", domain_id="default")
        roles = [ensure("roles", name) for name in ("admin", "service")]
        for api in self.settings.catalog():
            if api.name == "keystone":
                continue  # bootstrap has seen to it
            user = ensure("users", api.name, domain_id="default", password=PASSWORD)
            for role in roles:
                identity.put(f"/projects/{project}/users/{user}/roles/{role}")
            service = ensure("services", api.name, type=api.kind)
            self._register_endpoints(identity, service, self.settings.url(api.name) + api.path)

    @staticmethod
    def _register_endpoints(identity: Any, service: str, url: str) -> None:
        known = identity.get("/endpoints", params={"service_id": service}).json()["endpoints"]
        for row in known:
            identity.patch(f"/endpoints/{row['id']}", json={"endpoint": {"url": url}})
        for interface in ("public", "internal", "admin"):
            if interface not in {row["interface"] for row in known}:
                body = {
                    "service_id": service,
                    "interface": interface,
                    "region_id": REGION,
                    "url": url,
                }
                identity.post("/endpoints", json={"endpoint": body})

    # -- order ----------------------------------------------------------------

    def wait_for_computes(self, since: str) -> None:
        """Wait until every compute reported after SINCE and has its hypervisor.

        What a compute reported before, in its last life perhaps, counts not.
        """
        cloud = Cloud(self.settings)
        hosts = set(self.settings.hosts())

        def all_up() -> bool:
            up = {
                row["host"]
                for row in cloud.services()
                if (row["state"] == "up" or row["forced_down"])
                and (row["updated_at"] or "") >= since
            }
            return up >= hosts and len(cloud.hypervisors()) >= len(hosts)

        wait_for("every compute", all_up, every_s=1, alive=self.processes.dead)

    @contextlib.contextmanager
    def bus(self) -> Iterator[None]:
        """Start RabbitMQ beside the work of the with block, and wait for it at its end."""
        failed: list[BaseException] = []

        def start() -> None:
            try:
                services.up(("rabbitmq",))
            except SystemExit as error:
                failed.append(error)

        thread = threading.Thread(target=start)
        thread.start()
        yield
        thread.join()
        if failed:
            raise failed[0]

    def up(self) -> None:
        """Start everything that does not run."""
        began = time.monotonic()
        alive = {name for name in self.processes.names() if self.processes.pid(name)}
        self.processes.stop(set(self.processes.names()) - alive)  # forget the dead
        running = frozenset(name[:-4] for name in alive if name.endswith("-api"))
        DATA.mkdir(parents=True, exist_ok=True)
        choose_ports(self.settings, running)
        database = services.up(("mariadb",))["database_mysql"]
        transport = services.reserve("rabbitmq").addresses()["transport_url"]
        with step("databases, configuration"):
            schema.create_databases(database)
            Configuration(self.settings, database, transport).write()
        with self.bus():
            self._identity()
            schema.schemas(self.settings)
        with step("APIs, Nova's processes"):
            for api in self.settings.apis():
                if api.name != "nova":
                    self.start_api(api)
            self.wait_for_apis("placement", "glance", "neutron")
            since = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self.start_nova()
            if self.settings.cinder:
                self.start_cinder()
            self.wait_for_apis(*(api.name for api in self.settings.apis()))
        with step(f"{self.settings.computes} computes"):
            self.wait_for_computes(since)
        say(f"up after {time.monotonic() - began:.0f} s; . {HOME / 'openrc'}")

    def _identity(self) -> None:
        schema.keystone(self.settings)
        keystone = next(api for api in self.settings.apis() if api.name == "keystone")
        self.start_api(keystone)
        self.wait_for_apis("keystone")
        urls = " ".join(self.settings.url(api.name) for api in self.settings.catalog())
        schema.once("catalog", self.register, key=urls)
