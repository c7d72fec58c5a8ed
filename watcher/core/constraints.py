# SPDX-License-Identifier: Apache-2.0
"""Who may move, and who may go where: the rules of Nova's scheduler, in one place for everybody.

``movable`` says which instances may be touched at all, ``Constraints`` which hosts one of them may
go to, as one boolean per host; both can say why not, in words made for operators. What cannot be
judged from outside the hypervisor (NUMA, pinned CPUs, huge pages, PCI, vGPU) is never sent to a
named destination: ``judgeable`` tells those apart (decisions §4). ``core.pools`` has the rules
that stand still, this module those that change as instances move: room and server groups.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property

import numpy as np

from watcher.core.cluster import (
    NO_GROUP,
    UNPLACED,
    Bools,
    Cluster,
    Floats,
    InstanceState,
    Ints,
    Words,
    frozen,
    words,
)
from watcher.core.placement import Placement
from watcher.core.pools import COLD, LIVE, MIGRATION_KINDS, pools_of

__all__ = ["COLD", "LIVE", "MIGRATION_KINDS", "Constraints"]


def migration_kind(cluster: Cluster, row: int) -> str | None:
    """``live`` or ``cold``, or None when Nova cannot migrate an instance in this state."""
    return MIGRATION_KINDS.get(int(cluster.instances.state[row]))


def migrates(cluster: Cluster, kind: str) -> Bools:
    """The instances that Nova would migrate in this way, ``live`` or ``cold``."""
    states = [state for state, way in MIGRATION_KINDS.items() if way == kind]
    return np.isin(cluster.instances.state, states)


def judgeable(cluster: Cluster) -> Bools:
    """The instances that ask for nothing that only the hypervisor itself can judge."""
    return frozen(~pools_of(cluster).unjudged)


def movable(cluster: Cluster, kind: str = "") -> tuple[Bools, Words]:
    """The instances a strategy may move to a destination it names, and why not the others.

    With a kind, ``live`` or ``cold``, only those that Nova migrates in this way. The words are ''
    for an instance that may be moved.
    """
    mask, reasons = touchable(cluster)
    judged = judgeable(cluster)
    reasons, pools = reasons.copy(), pools_of(cluster)
    for row in np.flatnonzero(mask & ~judged):
        reasons[row] = f"only its hypervisor can judge the {pools.why_unjudged(int(row))}"
    mask = mask & judged
    if kind:
        other = ~migrates(cluster, kind)
        reasons[mask & other] = f"Nova does not migrate it {kind} as it is"
        mask = mask & ~other
    resting = cluster.instances.resting
    reasons[mask & resting] = "it was migrated a short time ago (cool_down)"
    return frozen(mask & ~resting), frozen(reasons)


def touchable(cluster: Cluster) -> tuple[Bools, Words]:
    """The instances that may be migrated at all, named destination or not, and why not."""
    instances, hosts = cluster.instances, cluster.hosts
    size = len(instances)
    reasons = np.full(size, "", dtype=object)
    placed = instances.host != UNPLACED

    def home(column: Bools) -> Bools:
        there = np.ones(size, dtype=np.bool_)
        there[placed] = column[instances.host[placed]]
        return there

    busy = np.fromiter((bool(task) for task in instances.task_state), np.bool_, count=size)
    # The last one written wins, so the reason an operator can act upon first comes last.
    for state in InstanceState:
        if state not in MIGRATION_KINDS:
            reasons[instances.state == state] = f"it is {state.public}"
    reasons[busy] = "Nova is busy with it"
    reasons[~instances.known] = "it is new and has not been read yet"
    reasons[~home(hosts.up)] = "its host is down"
    reasons[~home(hosts.known)] = "its host could not be read completely"
    reasons[~home(hosts.in_scope)] = "its host is outside the audit's scope"
    reasons[instances.locked] = "it is locked"
    reasons[instances.excluded] = "it is excluded by the audit's scope"
    reasons[~placed] = "it is on no host"
    return frozen(reasons == ""), frozen(reasons)


class Constraints:
    """Where instances may go, judged against a placement as it is at the moment of asking.

    ``targets`` (default: the cluster's usable hosts) are the hosts that may be offered at all.
    With ``soft`` the soft server group policies are kept too: a move never leaves an instance of
    a soft-affinity group with fewer of its group beside it, nor one of a soft-anti-affinity group
    with more. Nova itself only weighs these two, so a move that must be may do without.
    """

    def __init__(
        self, placement: Placement, targets: Bools | None = None, *, soft: bool = True
    ) -> None:
        self.placement = placement
        self.cluster = placement.cluster
        self.targets = self.cluster.hosts.usable if targets is None else targets
        self.soft = soft

    @cached_property
    def pools(self) -> tuple[Ints, Bools]:
        """The pool of each instance, and pools x hosts: what it may use whatever moves."""
        found = pools_of(self.cluster)
        return found.of, found.masks

    @cached_property
    def scale(self) -> Floats:
        """An average host's limit in each dimension, never 0: what makes dimensions compare."""
        limit = self.placement.limit
        return frozen(np.maximum(limit.sum(axis=0) / max(len(limit), 1), 1e-9))

    @cached_property
    def _members(self) -> Mapping[int, Ints]:
        group = self.cluster.instances.group
        return {index: np.flatnonzero(group == index) for index in range(len(self.cluster.groups))}

    def grouped(self, row: int) -> bool:
        """Whether this instance is in a server group, so that others' places matter to it."""
        return bool(self.cluster.instances.group[row] != NO_GROUP)

    def beside(self, row: int) -> Ints:
        """For each host, how many other instances of this one's server group are there now."""
        members = self._members[int(self.cluster.instances.group[row])]
        homes = self.placement.host[members[members != row]]
        return np.bincount(homes[homes != UNPLACED], minlength=len(self.cluster.hosts))

    def group_allows(self, row: int) -> Bools:
        """For each host, whether the policy of the server group it is in accepts it there."""
        group = self.cluster.groups[int(self.cluster.instances.group[row])]
        beside = self.beside(row)
        here = self.placement.host[row]
        present = beside[here] if here != UNPLACED else 0
        match group.policy:
            case "affinity":
                # Nova counts the instance itself among its group: where it is alone with its
                # group, no other host is one of theirs.
                together: Bools = beside > 0
                alone = here == UNPLACED and not together.any()
                return np.ones_like(together) if alone else together
            case "anti-affinity":
                room: Bools = beside < group.max_per_host
                return room
            case "soft-affinity" if self.soft and here != UNPLACED:
                closer: Bools = beside >= present
                return closer
            case "soft-anti-affinity" if self.soft and here != UNPLACED:
                apart: Bools = beside <= present
                return apart
        return np.ones(len(self.cluster.hosts), dtype=np.bool_)

    def reachable(self, row: int) -> Bools:
        """The hosts offered to this instance were there room: targets, pool, server group."""
        pool, masks = self.pools
        open_to: Bools = self.targets & masks[pool[row]]
        if self.grouped(row):
            open_to &= self.group_allows(row)
        here = self.placement.host[row]
        if here != UNPLACED:
            open_to[here] = False
        return open_to

    def allowed(self, row: int) -> Bools:
        """For each host, whether this instance may be moved there now; its own host is not."""
        return self.reachable(row) & self.placement.fits(row)

    def permits(self, row: int, host_row: int) -> bool:
        """Whether this instance may be moved to that host now: ``allowed`` for one host."""
        pool, masks = self.pools
        return bool(
            self.targets[host_row]
            and masks[pool[row], host_row]
            and self.placement.host[row] != host_row
            and self.placement.has_room(row, host_row)
            and (not self.grouped(row) or self.group_allows(row)[host_row])
        )

    def why_not(self, row: int) -> Words:
        """For each host, the reason this instance may not be moved there now, or ''."""
        reasons = self.closed(row).copy()
        here = self.placement.host[row]
        if here != UNPLACED:
            reasons[here] = "it is there already"
        for reason, refused in self.full(np.array([row]), np.arange(len(reasons))):
            reasons[refused[0] & (reasons == "")] = reason
        return frozen(reasons)

    def closed(self, row: int) -> Words:
        """For each host, the reason it is closed to this instance whatever room there is, or ''.

        Its own host is judged like the others. Without a server group the same for a whole pool.
        """
        reasons = words([""] * len(self.cluster.hosts)).copy()
        for reason, refused in self._closings(row):
            reasons[refused & (reasons == "")] = reason
        return frozen(reasons)

    def _closings(self, row: int) -> Iterator[tuple[str, Bools]]:
        hosts = self.cluster.hosts
        yield "down", ~hosts.up
        yield "disabled", ~hosts.enabled & ~self.targets
        yield "not read completely", ~hosts.known
        yield "outside the audit's scope", ~hosts.in_scope
        yield "not offered by the strategy", ~self.targets
        yield from pools_of(self.cluster).refusals(row)
        if self.grouped(row):
            policy = self.cluster.groups[int(self.cluster.instances.group[row])].policy
            yield f"against its server group's policy {policy}", ~self.group_allows(row)

    def full(self, rows: Ints, hosts: Ints) -> Iterator[tuple[str, Bools]]:
        """Each reason for want of room, and to which instances x hosts it applies now."""
        placement = self.placement
        for column, name in enumerate(placement.names):
            demand = placement.demand[rows, column][:, None]
            over = placement.used[hosts, column] + demand > placement.limit[hosts, column]
            yield f"not enough {name} left", over & (demand > 0)
            beyond = demand > placement.largest[hosts, column]
            yield f"more {name} than the host gives to one instance", beyond & (demand > 0)

    def summary(self, row: int) -> str:
        """Why this instance can go nowhere, in one phrase: the reasons and how many hosts each."""
        here = self.placement.host[row]
        reasons = [text for host, text in enumerate(self.why_not(row)) if host != here and text]
        if not reasons:
            return "there is no other host"
        counted = sorted(Counter(reasons).items(), key=lambda item: (-item[1], item[0]))
        return ", ".join(f"{_hosts(number)}: {text}" for text, number in counted)


def _hosts(number: int) -> str:
    return f"{number} host" if number == 1 else f"{number} hosts"
