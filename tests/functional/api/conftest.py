# SPDX-License-Identifier: Apache-2.0
"""One migrated SQLite file per session, copied for each test; one fake bus with a listener."""

import pathlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import webtest
from oslo_config import cfg

from tests.functional.api.bench import Bench, Listener
from watcher import config
from watcher.api import app as api_app
from watcher.core.errors import ServiceDown
from watcher.db import models, store
from watcher.db.engine import Database
from watcher.messaging import rpc
from watcher.messaging.transport import Bus

DUMMY = {
    "type": "object",
    "properties": {
        "para1": {"type": "number", "default": 3.2, "minimum": 1.0, "maximum": 10.2},
        "para2": {"type": "string", "default": "hello"},
    },
    "additionalProperties": False,
}
HOST_MAINTENANCE = {
    "type": "object",
    "properties": {
        "maintenance_node": {"type": "string"},
        "backup_node": {"type": ["string", "null"], "default": None},
        "disable_live_migration": {"type": "boolean", "default": False},
    },
    "additionalProperties": False,
    "required": ["maintenance_node"],
}
EFFICACY = [
    {
        "name": "released_compute_nodes_count",
        "description": "Hosts set free.",
        "unit": None,
        "schema": {"type": "integer", "minimum": 0},
    }
]


def fill(database: Database) -> None:
    """Goals, strategies, a scoring engine and action descriptions, as a sync leaves them."""
    with database.writing() as session:
        goals = {
            name: store.add(
                session,
                models.Goal(name=name, display_name=shown, efficacy_specification=efficacy),
            )
            for name, shown, efficacy in (
                ("dummy", "Dummy goal", []),
                ("server_consolidation", "Server Consolidation", EFFICACY),
                ("cluster_maintaining", "Cluster Maintaining", []),
            )
        }
        for name, goal, spec in (
            ("dummy", "dummy", DUMMY),
            ("dummy_with_resize", "dummy", DUMMY),
            ("basic", "server_consolidation", {}),
            ("host_maintenance", "cluster_maintaining", HOST_MAINTENANCE),
        ):
            row = models.Strategy(
                name=name, display_name=f"The {name}", goal=goals[goal], parameters_spec=spec
            )
            store.add(session, row)
        store.add(session, models.ScoringEngine(name="dummy_scorer", description="A scorer"))
        for kind, words in (("nop", "Say a word."), ("sleep", "Wait.")):
            store.add(session, models.ActionDescription(action_type=kind, description=words))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A migrated and filled database file."""
    path = tmp_path_factory.mktemp("api") / "template.sqlite"
    database = Database(f"sqlite:///{path}")
    database.upgrade()
    fill(database)
    database.dispose()
    for extra in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        assert not extra.exists() or not extra.stat().st_size or extra.name.endswith("-shm")
    return path


@pytest.fixture(scope="session")
def conf() -> Iterator[cfg.ConfigOpts]:
    """The options the API reads, on a ConfigOpts of its own."""
    from oslo_messaging import conffixture  # after watcher.messaging, which keeps eventlet out

    conf = cfg.ConfigOpts()
    config.OPTIONS.register(conf)
    for group in api_app.OPTIONS:
        group.register(conf)
    fixture = conffixture.ConfFixture(conf, transport_url="fake://")
    fixture.setUp()
    conf([])
    conf.set_override("enable_authentication", False)
    conf.set_override("rpc_response_timeout", 1)
    conf.set_override("control_exchange", f"api-{uuid.uuid4()}")  # fake:// is one per process
    yield conf
    fixture.cleanUp()


@pytest.fixture(scope="session")
def far_end(conf: cfg.ConfigOpts) -> Iterator[tuple[Bus, Listener]]:
    """The bus and the one who listens on both topics."""
    bus, listener = Bus(conf), Listener()
    rpc.DecisionEngine(bus)  # registers the topics
    topics = (
        conf.watcher_decision_engine.conductor_topic,
        conf.watcher_applier.conductor_topic,
    )
    servers = [bus.serve(topic, "here", listener) for topic in topics]
    for server in servers:
        server.start()
    yield bus, listener
    for server in servers:
        server.stop()
        server.wait()
    bus.close()


@pytest.fixture
def option(conf: cfg.ConfigOpts) -> Iterator[Callable[..., None]]:
    """Sets an option for one test, before its ``bench`` is made."""
    changed: list[tuple[str, str | None]] = []

    def set_option(name: str, value: Any, group: str | None = None) -> None:
        conf.set_override(name, value, group)
        changed.append((name, group))

    yield set_option
    defaults = {"enable_authentication": False, "rpc_response_timeout": 1}
    for name, group in changed:
        conf.clear_override(name, group)
        if group is None and name in defaults:
            conf.set_override(name, defaults[name])


@pytest.fixture
def make_bench(
    conf: cfg.ConfigOpts,
    far_end: tuple[Bus, Listener],
    template: pathlib.Path,
    tmp_path: pathlib.Path,
) -> Iterator[Callable[[], Bench]]:
    """Makes a Bench of the options as they are when it is called."""
    bus, listener = far_end
    path = tmp_path / "watcher.sqlite"
    shutil.copyfile(template, path)
    database = Database(f"sqlite:///{path}")

    def make() -> Bench:
        application = api_app.make_app(conf, database, bus)
        return Bench(webtest.TestApp(application, lint=True), database, listener, bus)

    yield make
    database.dispose()


@pytest.fixture
def bench(make_bench: Callable[[], Bench]) -> Bench:
    """The API without authentication: a caller who names no roles is an administrator."""
    return make_bench()


@pytest.fixture(scope="module")
def shared(
    conf: cfg.ConfigOpts,
    far_end: tuple[Bus, Listener],
    template: pathlib.Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    """One Bench for all rows of a table whose requests change nothing, or nothing of each other."""
    bus, listener = far_end
    path = tmp_path_factory.mktemp("shared") / "watcher.sqlite"
    shutil.copyfile(template, path)
    database = Database(f"sqlite:///{path}")
    application = api_app.make_app(conf, database, bus)
    yield Bench(webtest.TestApp(application, lint=True), database, listener, bus)
    database.dispose()


class DeadBus:
    """A bus that takes nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def _down(self, *_: Any) -> None:
        raise ServiceDown("the message bus does not answer")

    trigger_audit = launch_action_plan = _down
    get_strategy_info = get_data_model_info = _down


@pytest.fixture
def without_bus(monkeypatch: pytest.MonkeyPatch, make_bench: Callable[[], Bench]) -> Bench:
    """The API with its bus down."""
    monkeypatch.setattr(rpc, "DecisionEngine", DeadBus)
    monkeypatch.setattr(rpc, "Applier", DeadBus)
    return make_bench()
