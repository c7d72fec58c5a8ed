# SPDX-License-Identifier: Apache-2.0
"""Which hosts an instance may use whatever moves: the rules of Nova's scheduler that stand still.

Instances with the same wishes share a pool, hosts that offer the same share a kind; each rule is
judged once for a pool and a kind. Rules of filters that Nova has only when configured so (those
of aggregates) count unless ``Cluster.filters`` leaves them out: to refuse too much is safe.
Live migrations also need a hypervisor that is not older and a CPU that has what the present one
has (Nova's conductor, and libvirt's comparison of CPUs).
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from watcher.core.asks import Asks, asks, matches
from watcher.core.cluster import (
    UNPLACED,
    Bools,
    Cluster,
    Cpu,
    InstanceState,
    Ints,
    frozen,
)

LIVE, COLD = "live", "cold"
MIGRATION_KINDS: Mapping[int, str] = {
    InstanceState.ACTIVE: LIVE,
    InstanceState.PAUSED: LIVE,
    InstanceState.STOPPED: COLD,
}
"""How Nova can move an instance in each state; in the other states it cannot (contract §4.6)."""

EXTRA_SPECS = "AggregateInstanceExtraSpecsFilter"
TENANCY = "AggregateMultiTenancyIsolation"
IMAGES = "AggregateImagePropertiesIsolation"
FLAVORS = "AggregateTypeAffinityFilter"
TENANT_AGGREGATES = "limit_tenants_to_placement_aggregate"
ISOLATED_AGGREGATES = "enable_isolated_aggregate_filtering"
FILTERS = (EXTRA_SPECS, TENANCY, IMAGES, FLAVORS, TENANT_AGGREGATES, ISOLATED_AGGREGATES)
"""Nova's filters, and options of its scheduler, that may be in use or not."""

_TENANT = "filter_tenant_id"
_TRAIT = "trait:"
_FLAVOR_NAMES = "instance_type"
_TRUE = ("true", "t", "yes", "y", "on")
Metadata = Mapping[str, frozenset[str]]


class Kind(NamedTuple):
    """What hosts offer that stands still; hosts of one kind are alike to every rule."""

    zone: str
    type: str
    version: int
    cpu: Cpu
    traits: frozenset[str]
    metadata: frozenset[tuple[str, frozenset[str]]]


class Pool(NamedTuple):
    """What instances want that stands still, and what of their present host matters to them."""

    zone: str
    asks: Asks
    flavor: str
    project: str
    kept_to_project: bool
    """Whether the project has aggregates of its own and the present host is in one of them."""
    live: bool
    type: str
    version: int
    cpu: Cpu
    devices: frozenset[str]


class Pools:
    """The pools of a cluster: ``of`` is each instance's, ``masks`` is pools x hosts."""

    def __init__(self, cluster: Cluster) -> None:
        self._asks = _asks_of(cluster)
        self._relevant = _Relevant(cluster, set(self._asks))
        kinds: dict[Kind, int] = {}
        found = (self._relevant.kind(row) for row in range(len(cluster.hosts)))
        self.kind: Ints = np.array([kinds.setdefault(one, len(kinds)) for one in found], np.int64)
        self._kinds = list(kinds)
        self._metadata = [dict(kind.metadata) for kind in self._kinds]
        pools: dict[Pool, int] = {}
        self.of: Ints = frozen(self._number(cluster, pools))
        self._filters = frozenset(FILTERS if cluster.filters is None else cluster.filters)
        self._said = [
            [self._refusal(pool, number) for number in range(len(self._kinds))] for pool in pools
        ]
        open_to = np.array([[not text for text in row] for row in self._said], dtype=np.bool_)
        open_to = open_to.reshape(len(pools), len(self._kinds))
        self.masks: Bools = frozen(open_to[:, self.kind])
        self._read = cluster.traits
        texts = (bool(self.why_unjudged(row)) for row in range(len(self._asks)))
        self.unjudged: Bools = frozen(np.fromiter(texts, np.bool_, len(self._asks)))

    def refusals(self, row: int) -> Iterator[tuple[str, Bools]]:
        """Each reason hosts are not in the pool of this instance, and those hosts."""
        said = np.array(self._said[self.of[row]], dtype=object)[self.kind]
        yield from ((text, said == text) for text in sorted(set(said) - {""}))

    def leading_to(self, host_row: int) -> Bools:
        """The hosts from which a running instance may be migrated live to this one."""
        there = self._kinds[self.kind[host_row]]
        leads = [
            kind.type == there.type
            and kind.version <= there.version
            and there.cpu.serves(kind.cpu)
            for kind in self._kinds
        ]
        return np.array(leads, dtype=np.bool_)[self.kind]

    def why_unjudged(self, row: int) -> str:
        """What this instance asks for that only its hypervisor can judge, or ''."""
        asked = self._asks[row]
        if not asked.unjudged and self._read is not None:
            for trait in sorted(asked.traits - self._read):
                return f"trait {trait}, not read yet"
        return asked.unjudged

    def _number(self, cluster: Cluster, pools: dict[Pool, int]) -> Ints:
        instances = cluster.instances
        live = np.isin(instances.state, [s for s, way in MIGRATION_KINDS.items() if way == LIVE])
        memo: dict[Any, int] = {}
        of = np.empty(len(instances), dtype=np.int64)
        homes = np.append(self.kind, UNPLACED)[instances.host].tolist()
        columns = (instances.pinned_zone, instances.flavor, instances.project_id, live.tolist())
        for row, (zone, flavor, project, alive) in enumerate(zip(*columns, strict=True)):
            asked, home = self._asks[row], homes[row]
            flavor = flavor if self._relevant.flavors else ""
            project = project if project in self._relevant.projects else ""
            key = (zone, id(asked), flavor, project, alive, home)
            if key not in memo:
                kind = None if home == UNPLACED else self._kinds[home]
                pool = self._pool(zone, asked, flavor, project, (alive, kind))
                memo[key] = pools.setdefault(pool, len(pools))
            of[row] = memo[key]
        return of

    def _pool(
        self, zone: str, asked: Asks, flavor: str, project: str, home: tuple[bool, Kind | None]
    ) -> Pool:
        live, kind = home
        if kind is None:
            return Pool(zone, asked, flavor, project, False, live, "", 0, Cpu(), frozenset())
        owners = _exact(dict(kind.metadata))
        return Pool(
            zone=zone,
            asks=asked,
            flavor=flavor,
            project=project,
            kept_to_project=bool(project) and project in owners,
            live=live,
            type=kind.type,
            version=kind.version,
            cpu=kind.cpu,
            devices=asked.devices & kind.traits,
        )

    def _refusal(self, pool: Pool, number: int) -> str:
        kind, metadata = self._kinds[number], self._metadata[number]
        rules = (
            _zone(pool, kind),
            _hypervisor(pool, kind),
            _traits(pool, kind),
            _aggregates(pool, metadata, self._filters),
            _tenants(pool, metadata, self._filters),
        )
        return next((reason for rule in rules for reason in rule), "")


class _Relevant:
    """The part of what hosts offer that some instance or rule asks about: the rest is noise."""

    def __init__(self, cluster: Cluster, asked: set[Asks]) -> None:
        self._hosts = cluster.hosts
        self._traits = frozenset[str]().union(*(one.traits for one in asked))
        self._keys = {key for one in asked for key, _ in one.aggregate}
        self._keys |= {key for one in asked for key, _ in one.image}
        owners = (_values(each, _TENANT) for each in cluster.hosts.aggregate_metadata)
        self.projects = frozenset[str]().union(*owners)
        self.flavors = any(_FLAVOR_NAMES in each for each in cluster.hosts.aggregate_metadata)

    def kind(self, row: int) -> Kind:
        hosts = self._hosts
        metadata = frozenset(
            (key, values)
            for key, values in hosts.aggregate_metadata[row].items()
            if key in self._keys or key.startswith((_TENANT, _TRAIT)) or key == _FLAVOR_NAMES
        )
        return Kind(
            hosts.zone[row],
            hosts.hypervisor_type[row],
            int(hosts.hypervisor_version[row]),
            hosts.cpu[row],
            hosts.traits[row] & self._traits,
            metadata,
        )


def _asks_of(cluster: Cluster) -> list[Asks]:
    """What each instance asks: one and the same object for those that ask the same."""
    instances = cluster.instances
    memo: dict[tuple[int, int, int], Asks] = {}
    found = []
    columns = instances.extra_specs, instances.image_properties, instances.hints
    for specs, image, hints in zip(*columns, strict=True):
        key = id(specs), id(image), id(hints)
        if key not in memo:
            memo[key] = asks(specs, image, hints)
        found.append(memo[key])
    return found


def _values(metadata: Metadata, prefix: str) -> frozenset[str]:
    """The words of all keys that begin so, lists taken apart."""
    found = (words for key, words in metadata.items() if key.startswith(prefix))
    return frozenset(word.strip() for words in found for text in words for word in text.split(","))


def _exact(metadata: Metadata) -> frozenset[str]:
    """The projects that are the whole of a value: Nova's prefilter takes no lists apart."""
    found = (texts for key, texts in metadata.items() if key.startswith(_TENANT))
    return frozenset[str]().union(*found)


def _zone(pool: Pool, kind: Kind) -> Iterator[str]:
    if pool.zone and kind.zone != pool.zone:
        yield f"outside availability zone {pool.zone}"


def _hypervisor(pool: Pool, kind: Kind) -> Iterator[str]:
    if not pool.type:
        return
    if kind.type != pool.type:
        yield "another hypervisor type"
    if pool.asks.guest and kind.cpu.arch != pool.cpu.arch:
        yield "another CPU architecture"
    if pool.live and kind.version < pool.version:
        yield "an older hypervisor"
    if pool.live and not kind.cpu.serves(pool.cpu):
        yield "a CPU without all that its present one has"


def _image_words(value: str) -> set[str]:
    """The words an aggregate must name for an image property to be accepted there.

    Nova compares a truth value as ``True``, in whatever letters Glance has it, and a text as it
    is; which of the two a property is we cannot tell, so both must be named. What is not true it
    does not compare, or compares as text.
    """
    return {value, "True"} if value.lower() in _TRUE else {value}


def _traits(pool: Pool, kind: Kind) -> Iterator[str]:
    for trait in sorted((pool.asks.required | pool.devices) - kind.traits):
        yield f"without trait {trait}"
    for trait in sorted(pool.asks.forbidden & kind.traits):
        yield f"with trait {trait}, which it forbids"


def _aggregates(pool: Pool, metadata: Metadata, filters: frozenset[str]) -> Iterator[str]:
    if EXTRA_SPECS in filters:
        for key, wanted in pool.asks.aggregate:
            if not any(matches(value, wanted) for value in _values_of(metadata, key)):
                yield f"in no aggregate with {key} {wanted}"
    if IMAGES in filters:
        for key, value in sorted(pool.asks.image):
            accepted = _values_of(metadata, key)
            if value and accepted and not _image_words(value) <= accepted:
                yield f"in an aggregate for images with another {key}"
    named = _values_of(metadata, _FLAVOR_NAMES)
    if FLAVORS in filters and named and pool.flavor not in named:
        yield "in an aggregate for other flavors"


def _tenants(pool: Pool, metadata: Metadata, filters: frozenset[str]) -> Iterator[str]:
    owners = _values(metadata, _TENANT)
    if TENANCY in filters and owners and pool.project not in owners:
        yield "in an aggregate for other projects"
    kept = TENANT_AGGREGATES in filters and pool.kept_to_project
    if kept and pool.project not in _exact(metadata):
        yield "outside the aggregates of its project"
    if ISOLATED_AGGREGATES in filters:
        for key in sorted(metadata):
            trait = key.removeprefix(_TRAIT)
            if key != trait and "required" in metadata[key] and trait not in pool.asks.required:
                yield f"in an aggregate for instances that require trait {trait}"


def _values_of(metadata: Metadata, key: str) -> frozenset[str]:
    texts = metadata.get(key, frozenset())
    return frozenset(word.strip() for text in texts for word in text.split(","))


_KNOWN: WeakKeyDictionary[Cluster, Pools] = WeakKeyDictionary()


def pools_of(cluster: Cluster) -> Pools:
    """The pools of a cluster, made once."""
    found = _KNOWN.get(cluster)
    if found is None:
        found = _KNOWN[cluster] = Pools(cluster)
    return found
