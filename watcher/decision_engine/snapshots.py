# SPDX-License-Identifier: Apache-2.0
"""The snapshots of all kinds of models, put together into the one cluster that an audit sees.

Compute is always there. Storage and bare metal are read when a strategy needs them, side by side
with it; a cloud without Cinder or Ironic does everything else as before.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from oslo_config import cfg, types

from watcher import plugins
from watcher.clients.session import Clients
from watcher.config import Group
from watcher.context import Threads
from watcher.core.cluster import Cluster
from watcher.core.errors import NotFound, StaleCluster
from watcher.core.news import absorb, absorb_storage
from watcher.decision_engine import feed as feeds
from watcher.decision_engine.feed import Feed
from watcher.decision_engine.follower import Follower
from watcher.decision_engine.keeper import Keeper
from watcher.telemetry import gauges
from watcher.telemetry.gauges import Reading
from watcher.telemetry.pulse import Pulse

COMPUTE, STORAGE, BAREMETAL = KINDS = ("compute", "storage", "baremetal")

_TITLES = {
    COMPUTE: "The snapshot of the compute hosts and instances",
    STORAGE: "The snapshot of the block storage pools and volumes",
    BAREMETAL: "The snapshot of the bare metal machines",
}


def _group(kind: str) -> Group:
    return Group(
        f"{plugins.COLLECTORS}.{kind}",
        _TITLES[kind],
        [
            cfg.IntOpt(
                "period",
                default=3600,
                min=1,
                help="Seconds between full readings in the background.",
            ),
            cfg.IntOpt(
                "short_period",
                default=300,
                min=1,
                help="Seconds between full readings while the snapshot is known to lack something:"
                " the message bus carries no notifications, or one told of what only a reading"
                " can complete, such as a new instance. Not longer than period.",
            ),
            cfg.IntOpt(
                "max_age",
                default=0,
                min=0,
                help="Seconds that the snapshot an audit works on may be old; an older one is read"
                " anew before the audit. 0 reads the cloud for every audit.",
            ),
        ],
    )


OPTIONS = (
    *map(_group, KINDS),
    *feeds.OPTIONS,
    Group(
        "collector",
        "Reading the cloud",
        [
            cfg.ListOpt(
                "collector_plugins",
                default=[COMPUTE, STORAGE],
                item_type=types.String(choices=KINDS),
                help="Models that are read in the background as well, out of compute, storage"
                " and baremetal; the others are read when a strategy needs them.",
            )
        ],
    ),
)


class Snapshots:
    """The keepers of all kinds; used by all threads of a decision engine."""

    def __init__(
        self,
        keepers: Mapping[str, Keeper[Any]],
        max_ages_s: Callable[[str], float],
        background: Collection[str] = (COMPUTE,),
        feed: Feed | None = None,
    ) -> None:
        self._feed = feed
        self._keepers = keepers
        self._max_age_s = max_ages_s
        self._background = {COMPUTE, *background}

    @classmethod
    def configured(cls, clients: Clients, conf: cfg.ConfigOpts) -> "Snapshots":
        """A keeper for each collector that is installed, as configuration says."""
        collectors = plugins.load(plugins.COLLECTORS)
        followers: dict[str, Follower[Any]] = {
            COMPUTE: Follower(absorb),
            STORAGE: Follower(absorb_storage),
        }
        feed = Feed(followers)
        settings = {kind: conf[f"{plugins.COLLECTORS}.{kind}"] for kind in KINDS}
        keepers = {
            kind: Keeper(
                collectors[kind](clients, conf),
                settings[kind].period,
                follower=followers.get(kind),
                short_period_s=settings[kind].short_period,
                bus=lambda: feed.state,
            )
            for kind in KINDS
            if kind in collectors
        }
        return cls(
            keepers,
            lambda kind: float(conf[f"{plugins.COLLECTORS}.{kind}"].max_age),
            conf.collector.collector_plugins,
            feed,
        )

    def start(self, conf: cfg.ConfigOpts) -> None:
        """Begin to read those in the background that are to be read there, and to listen."""
        if self._feed is not None:
            self._feed.start(conf, self._keepers.values())
        for kind, keeper in self._keepers.items():
            if kind in self._background:
                keeper.start()

    def stop(self) -> None:
        """End the threads."""
        if self._feed is not None:
            self._feed.stop()
        for keeper in self._keepers.values():
            keeper.stop()

    @property
    def pulses(self) -> Iterator[Pulse]:
        """The loops that read in the background, and that take in notifications."""
        yield from (one.pulse for kind, one in self._keepers.items() if kind in self._background)
        if self._feed is not None and self._feed.state != "off":
            yield self._feed.pulse

    def readings(self) -> Iterator[Reading]:
        """The age and size of each snapshot, and whether notifications can be heard."""
        for kind, keeper in self._keepers.items():
            yield from keeper.readings(background=kind in self._background)
        if self._feed is not None and self._feed.state != "off":
            yield gauges.BUS_HEARD(self._feed.state == "heard")

    @property
    def latest(self) -> Cluster | None:
        """The last good snapshot of everything that was read, however old."""
        cluster: Cluster | None = self._keeper(COMPUTE).latest
        return None if cluster is None else self._joined(cluster, self._keepers)

    def about(self, kind: str) -> dict[str, Any] | None:
        """How old the snapshot of this kind is and how it came about; None when there is none."""
        return self._keeper(kind).about()

    def available(self, kind: str, *, wanted: bool = False) -> bool:
        """Whether there is a snapshot of this kind; ``wanted`` reads it if there was none yet."""
        keeper = self._keepers.get(kind)
        if keeper is None:
            return False
        if wanted and keeper.latest is None:
            try:
                keeper.snapshot(self._max_age_s(kind))
            except StaleCluster:
                return False
        return keeper.latest is not None

    def gather(self, kinds: Iterable[str] = ()) -> Cluster:
        """The cluster as young as configured, with these kinds besides compute.

        Raises StaleCluster with the reason when one of them cannot be read.
        """
        wanted = {COMPUTE, *kinds}
        with Threads(len(wanted), "snapshots") as pool:
            reading = {
                kind: pool.submit(self._keeper(kind).snapshot, self._max_age_s(kind))
                for kind in KINDS
                if kind in wanted
            }
        found = {kind: future.result() for kind, future in reading.items()}
        cluster: Cluster = found.pop(COMPUTE)
        return replace(cluster, **found) if found else cluster

    def _joined(self, cluster: Cluster, kinds: Iterable[str]) -> Cluster:
        others = {kind: self._keepers[kind].latest for kind in kinds if kind != COMPUTE}
        there = {kind: found for kind, found in others.items() if found is not None}
        return replace(cluster, **there) if there else cluster

    def _keeper(self, kind: str) -> Keeper[Any]:
        keeper = self._keepers.get(kind)
        if keeper is None:
            raise NotFound("Collector", kind)
        return keeper
