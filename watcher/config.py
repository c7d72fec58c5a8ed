# SPDX-License-Identifier: Apache-2.0
"""Configuration: modules own their options; this one gathers them.

A module that has options declares ``OPTIONS = Group(...)`` at its top. ``load()`` makes one
ConfigOpts for a daemon, ``list_opts()`` feeds oslo.config's sample generator. Group and option
names are those of contract/config.md. Objects receive values or a ConfigOpts; nothing reaches for
a global.
"""

import importlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from oslo_config import cfg

from watcher.version import VERSION

OWNERS: tuple[str, ...] = (
    "watcher.config",
    "watcher.plugins",
    "watcher.db.engine",
    "watcher.messaging.rpc",
    "watcher.messaging.notifications",
    "watcher.clients.session",
    "watcher.collectors.compute",
    "watcher.datasources.choice",
    "watcher.datasources.influxdb",
    "watcher.datasources.prometheus",
    "watcher.datasources.gnocchi",
    "watcher.datasources.grafana",
    "watcher.api.app",
    "watcher.exporter.endpoint",
    "watcher.decision_engine.service",
    "watcher.decision_engine.strategy_options",
    "watcher.applier.service",
    "watcher.applier.flow",
)
"""The modules that own options, by name: config is below them and must not import them."""


class Group:
    """The options of one group and where they are shown; ``title`` heads it in samples.

    ``foreign`` are options of the group that a library registers itself once it knows which it
    needs, such as those of a login plug-in: samples show them.
    """

    def __init__(
        self, name: str, title: str, options: Sequence[cfg.Opt], foreign: Sequence[cfg.Opt] = ()
    ) -> None:
        self.name = name
        self.title = title
        self.options = tuple(options)
        self.foreign = tuple(foreign)

    def register(self, conf: cfg.ConfigOpts) -> None:
        """Make these options known to a ConfigOpts; a second time does nothing."""
        if self.name == "DEFAULT":
            conf.register_opts(self.options)
        else:
            conf.register_opts(self.options, cfg.OptGroup(self.name, title=self.title))

    def of(self, conf: cfg.ConfigOpts) -> Any:
        """The values of this group."""
        return conf if self.name == "DEFAULT" else conf[self.name]


OPTIONS = Group(
    "DEFAULT",
    "What all daemons share",
    [
        cfg.HostAddressOpt(
            "host",
            default=socket.gethostname(),
            sample_default="<the machine's name>",
            help="Identity of this node in service rows, audits, action plans and on the bus.",
        ),
        cfg.StrOpt(
            "state_path",
            default="/var/lib/watcher",
            help="Folder for state, such as the default SQLite database.",
        ),
        cfg.IntOpt(
            "service_down_time",
            default=90,
            min=1,
            help="Seconds without a heartbeat after which a service counts as FAILED.",
        ),
        cfg.IntOpt(
            "periodic_interval",
            default=60,
            min=1,
            mutable=True,
            help="Seconds between periodic tasks such as the heartbeat.",
        ),
    ],
)


def groups() -> Iterator[Group]:
    """Every group of every owner; ``OPTIONS`` is a Group, several, or a function giving them."""
    for name in OWNERS:
        found = importlib.import_module(name).OPTIONS
        found = found() if callable(found) else found
        yield from (found,) if isinstance(found, Group) else found


def register(conf: cfg.ConfigOpts) -> None:
    """Make all of Watcher's options known to a ConfigOpts."""
    for group in groups():
        group.register(conf)


def load(
    conf: cfg.ConfigOpts, arguments: Sequence[str], program: str = "watcher"
) -> cfg.ConfigOpts:
    """Register all options and read the command line and the files it names, or the usual ones.

    Raises oslo_config.cfg.Error (one readable line) for a wrong file, option or value.
    """
    register(conf)
    conf(list(arguments), project="watcher", prog=program, version=VERSION)
    for group in groups():
        for option in group.options:
            # oslo.config looks at a value when it is asked for; a wrong one is told now.
            getattr(group.of(conf), option.dest)
    return conf


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """Every option by group, for ``oslo-config-generator --namespace watcher``."""
    gathered: dict[str, list[cfg.Opt]] = {}
    for group in groups():
        gathered.setdefault(group.name, []).extend((*group.options, *group.foreign))
    return list(gathered.items())
