# SPDX-License-Identifier: Apache-2.0
"""The databases of the test cloud and their tables, by each service's own command."""

from __future__ import annotations

import getpass
import json
import subprocess
from collections.abc import Callable
from concurrent import futures

import sqlalchemy

from tests.cloud import config
from tests.cloud.process import run, step
from tests.cloud.settings import HOME, PASSWORD, REGION, VENV, Settings

DATABASES = (
    "keystone", "placement", "glance", "neutron", "nova_api", "nova_cell0", "nova", "cinder",
)  # fmt: skip

LOGS = HOME / "log"
MARKS = HOME / "run"


def fork(modules: list[str], jobs: list[dict[str, object]], what: str) -> list[int]:
    """Run jobs in forks of one process that has imported MODULES (fakecloud/fork.py).

    Returns:
        The pid of each job.
    """
    done = subprocess.run(
        [str(VENV / "bin/python"), "-W", "ignore", "-m", "fakecloud.fork", *modules],
        input=json.dumps(jobs),
        text=True,
        capture_output=True,
        cwd=HOME,
        check=False,
    )
    if done.returncode:
        logs = sorted({str(job["log"]) for job in jobs})
        raise SystemExit(f"{done.stderr[-2000:]}\n{what} failed, see {' '.join(logs)}")
    pids: list[int] = json.loads(done.stdout)
    return pids


def manage(service: str, module: str, *commands: list[str]) -> None:
    """Run management commands of a service, one after the other."""
    jobs: list[dict[str, object]] = [
        {
            "program": f"{service}-manage",
            "call": f"{module}:main",
            "argv": ["--config-file", str(config.main_file(service)), *words],
            "log": str(LOGS / f"{service}-manage.log"),
        }
        for words in commands
    ]
    fork([module], jobs, f"{service}-manage")


def once(name: str, action: Callable[[], None], key: str = "") -> None:
    """Do this unless it was done before with the same KEY."""
    mark = MARKS / f"{name}.done"
    if mark.exists() and mark.read_text(encoding="utf-8") == key:
        return
    with step(f"  {name}"):
        action()
    mark.write_text(key, encoding="utf-8")


def create_databases(url: str) -> None:
    """Make the databases that are missing."""
    with sqlalchemy.create_engine(url).connect() as connection:
        for name in DATABASES:
            connection.exec_driver_sql(
                f"CREATE DATABASE IF NOT EXISTS cloud_{name} CHARACTER SET utf8"
            )


def drop_databases(url: str) -> None:
    """Drop all databases of the cloud."""
    with sqlalchemy.create_engine(url).connect() as connection:
        for name in DATABASES:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS cloud_{name}")


def keystone(settings: Settings) -> None:
    """Keystone's tables, keys, admin user and own catalog entry."""
    user = getpass.getuser()
    group = run(["id", "-gn"]).strip()
    owner = ["--keystone-user", user, "--keystone-group", group]
    url = settings.auth_url
    bootstrap = ["bootstrap", "--bootstrap-region-id", REGION, "--bootstrap-password", PASSWORD]
    for interface in ("public", "internal", "admin"):
        bootstrap += [f"--bootstrap-{interface}-url", url]
    once(
        "schema-keystone",
        lambda: manage(
            "keystone",
            "keystone.cmd.manage",
            ["db_sync"],
            ["fernet_setup", *owner],
            ["credential_setup", *owner],
            bootstrap,
        ),
        key=url,
    )


def nova() -> None:
    """Nova's three databases.

    The cells refer to the database and the bus by templates that Nova fills from its
    configuration, so that a change of ports needs no change of the cells.
    """
    server = "{scheme}://{username}@{hostname}:{port}"
    cell0 = f"{server}/cloud_nova_cell0?{{query}}"
    cell1 = f"{server}/{{path}}?{{query}}"
    bus = "rabbit://{username}:{password}@{hostname}:{port}/"
    manage(
        "nova",
        "nova.cmd.manage",
        ["api_db", "sync"],
        ["cell_v2", "map_cell0", "--database_connection", cell0],
        ["db", "sync"],
        ["cell_v2", "create_cell", "--name", "cell1",
         "--database_connection", cell1, "--transport-url", bus],
    )  # fmt: skip


def schemas(settings: Settings) -> None:
    """The tables of all but Keystone, the longest first, two services at a time."""
    work: dict[str, Callable[[], None]] = {
        "nova": nova,
        "neutron": lambda: manage("neutron", "neutron.db.migration.cli", ["upgrade", "heads"]),
        "glance": lambda: manage("glance", "glance.cmd.manage", ["db_sync"]),
        "placement": lambda: manage("placement", "placement.cmd.manage", ["db", "sync"]),
    }
    if settings.cinder:
        work["cinder"] = lambda: manage("cinder", "cinder.cmd.manage", ["db", "sync"])
    with futures.ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(once, f"schema-{name}", job) for name, job in work.items()]
        for job in jobs:
            job.result()
