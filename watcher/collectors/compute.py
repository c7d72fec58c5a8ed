# SPDX-License-Identifier: Apache-2.0
"""The compute side of the cloud, from Nova and Placement, as one immutable Cluster.

Everything is read in bulk: pages of servers, and one request per other kind. Placement alone must
be asked provider by provider; a provider is asked again only when its generation has changed.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import Any, ClassVar, TypeVar

from oslo_config import cfg, types

from watcher.clients.nova import Nova, Server
from watcher.clients.placement import Placement, Provider
from watcher.clients.session import Clients, retrying
from watcher.collectors.joining import IRONIC, Inventories, Raw, Usages, put_together
from watcher.config import Group
from watcher.context import Threads
from watcher.core.asks import asks
from watcher.core.cluster import Cluster
from watcher.core.errors import ServiceDown, WatcherError
from watcher.core.pools import FILTERS

T = TypeVar("T")
Given = tuple[int, Inventories, Usages]
"""A provider's generation, what it has and what of it is allocated."""

OPTIONS = Group(
    "collector",
    "Reading the cloud",
    [
        cfg.IntOpt(
            "api_query_max_retries",
            default=10,
            min=1,
            mutable=True,
            deprecated_name="api_call_retries",
            help="Tries of one request to another service.",
        ),
        cfg.IntOpt(
            "api_query_interval",
            default=1,
            min=0,
            mutable=True,
            deprecated_name="api_query_timeout",
            help="Seconds between tries.",
        ),
        cfg.IntOpt(
            "compute_resources_collector_timeout",
            default=600,
            min=30,
            mutable=True,
            help="Seconds after which reading the compute side is given up.",
        ),
        cfg.ListOpt(
            "scheduler_filters",
            default=list(FILTERS),
            item_type=types.String(choices=FILTERS),
            mutable=True,
            help="Of the scheduler filters and placement options that a Nova may have or not,"
            " those that yours has ([filter_scheduler] enabled_filters and [scheduler] of"
            " nova.conf). A filter named here without need only makes Watcher offer fewer hosts;"
            " one left out wrongly makes migrations that Nova refuses.",
        ),
        cfg.StrOpt(
            "compare_cpus",
            default="model",
            choices=[
                ("model", "same model, and all CPU features of the source host"),
                ("vendor", "same architecture and vendor, as with a custom CPU model for all"),
                ("none", "any"),
            ],
            mutable=True,
            help="Which hosts a running instance may be migrated to, by their CPU.",
        ),
    ],
)


class ComputeCollector:
    """Reads Nova and Placement; serves one thread at a time, and keeps inventories."""

    name: ClassVar[str] = "compute"

    def __init__(self, clients: Clients, conf: cfg.ConfigOpts) -> None:
        self._clients = clients
        self._conf = conf
        self._inventories: dict[str, Given] = {}

    def collect(self) -> Cluster:
        """Read everything. Raises ServiceDown when the cloud does not answer in time.

        A host whose inventory cannot be read is ``known=False``; the others are as they are.
        """
        taken_at = time.time()
        with _Reading(self._clients, self._conf, self._inventories) as reading:
            raw = reading.raw()
            self._inventories = reading.inventories
        return put_together(raw, taken_at, reading.origin())


class _Reading:
    """One reading of the cloud: its threads, its deadline, its counts."""

    def __init__(
        self,
        clients: Clients,
        conf: cfg.ConfigOpts,
        known: Mapping[str, Given],
    ) -> None:
        options = self._options = conf.collector
        self._limit_s = options.compute_resources_collector_timeout
        self._stop = threading.Event()
        retries = options.api_query_max_retries, options.api_query_interval, self._stop
        self._nova = Nova(clients, retrying(*retries))
        self._placement = Placement(clients, retrying(*retries))
        self._known = known
        self._seconds: dict[str, float] = {}
        self._unread: dict[str, str] = {}
        self._begun = time.monotonic()
        self._pool = Threads(conf.watcher_decision_engine.max_general_workers, "collector")
        self.inventories: dict[str, Given] = {}

    def __enter__(self) -> "_Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()  # ends waits between tries; a request under way ends by its own timeout
        self._pool.shutdown(wait=False, cancel_futures=True)

    def raw(self) -> Raw:
        """All kinds side by side; the providers' inventories as soon as their list is there."""
        nova = self._nova
        reads: dict[str, Callable[[], Any]] = {
            "servers": lambda: list(self._until_stop(nova.servers())),
            "providers": self._placement.providers,
            "hypervisors": nova.hypervisors,
            "services": nova.services,
            "aggregates": nova.aggregates,
            "server groups": nova.server_groups,
        }
        futures = {kind: self._pool.submit(self._timed, kind, reads[kind]) for kind in reads}
        # What has to be asked one by one is only what belongs to a host.
        self._wait([futures["providers"], futures["hypervisors"]])
        hosts = {one.uuid for one in futures["hypervisors"].result() if one.type != IRONIC}
        providers = [one for one in futures["providers"].result() if one.uuid in hosts]
        self._timed("inventories", lambda: self._read_inventories(providers))
        self._wait(futures.values())
        servers = futures["servers"].result()
        return Raw(
            servers=servers,
            hypervisors=futures["hypervisors"].result(),
            services=futures["services"].result(),
            aggregates=futures["aggregates"].result(),
            groups=futures["server groups"].result(),
            inventories={uuid: found for uuid, (_, found, _) in self.inventories.items()},
            usages={uuid: used for uuid, (_, _, used) in self.inventories.items()},
            traits=self._timed("traits", lambda: self._read_traits(servers)),
            filters=frozenset(self._options.scheduler_filters),
            compare_cpus=self._options.compare_cpus,
        )

    def origin(self) -> dict[str, Any]:
        """Requests by kind, seconds by kind, and what could not be read with its reason."""
        return {
            "requests": dict(self._nova.requests + self._placement.requests),
            "seconds": {**self._seconds, "all": self._spent_s()},
            "unread": self._unread,
        }

    def _read_inventories(self, providers: Iterable[Provider]) -> None:
        asked: dict[str, Future[Given]] = {}
        for provider in providers:
            known = self._known.get(provider.uuid)
            if known is not None and known[0] == provider.generation:
                self.inventories[provider.uuid] = known
            else:
                asked[provider.uuid] = self._pool.submit(self._read_provider, provider.uuid)
        # Half the time is for these: a silent provider costs its host, not the model.
        wait(asked.values(), timeout=max(0.0, self._limit_s / 2 - self._spent_s()))
        for uuid, future in asked.items():
            try:
                self.inventories[uuid] = future.result(timeout=0)
            except TimeoutError:
                self._unread[uuid] = "Placement did not answer in time"
            except WatcherError as error:
                self._unread[uuid] = str(error)
        if asked and not self.inventories:
            raise ServiceDown(f"no inventory can be read: {next(iter(self._unread.values()))}")

    def _read_provider(self, uuid: str) -> Given:
        return *self._placement.inventories(uuid), self._placement.usages(uuid)

    def _read_traits(self, servers: Sequence[Server]) -> dict[str, frozenset[str]]:
        """The providers of each trait that a flavor or an image names: one request a trait."""
        wanted = (asks(one.extra_specs, one.image_properties).traits for one in servers)
        names = sorted(frozenset[str]().union(*wanted))
        futures = {name: self._pool.submit(self._placement.providers_with, name) for name in names}
        wait(futures.values(), timeout=max(0.0, self._limit_s - self._spent_s()))
        found = {}
        for name, future in futures.items():
            try:
                found[name] = future.result(timeout=0)
            except TimeoutError:
                self._unread[f"trait {name}"] = "Placement did not answer in time"
            except WatcherError as error:
                self._unread[f"trait {name}"] = str(error)
        return found

    def _wait(self, futures: Iterable[Future[Any]]) -> None:
        """Until all are done, or the first fails (its error is raised), or the time is up."""
        left_s = max(0.0, self._limit_s - self._spent_s())
        done, pending = wait(futures, timeout=left_s, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()
        if pending:
            raise ServiceDown(
                f"Nova and Placement were not read within {self._limit_s} s"
                f" ({len(pending)} kinds still unread); see how busy they are, or raise"
                " [collector] compute_resources_collector_timeout"
            )

    def _spent_s(self) -> float:
        return time.monotonic() - self._begun

    def _timed(self, kind: str, read: Callable[[], T]) -> T:
        begun = time.monotonic()
        try:
            return read()
        finally:
            self._seconds[kind] = time.monotonic() - begun

    def _until_stop(self, items: Iterable[T]) -> Iterable[T]:
        for item in items:
            if self._stop.is_set():
                return
            yield item
