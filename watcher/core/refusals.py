# SPDX-License-Identifier: Apache-2.0
"""Why not more: what the constraints refuse of all that a plan leaves where it is.

Counted by reason, with a few examples, so that the answer stays small whatever the cloud: kept
with the audit and shown by the API. It is the end of the plan that is judged, by the constraints
the strategy itself used, its limits on measured load among them.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from watcher.core.cluster import UNPLACED, Bools, Cluster, Ints, Words
from watcher.core.constraints import Constraints

MOST_REASONS = 20
MOST_EXAMPLES = 3
LONGEST_REASON = 255
MOST_ROWS, MOST_PAIRS = 5_000, 2_000_000
"""So many instances, and instances x hosts, are judged at most: some tenths of a CPU second."""

OTHERS = "other reasons"
UNMEASURED = "its load is not measured"

_KINDS = (
    ("it is locked", "locked"),
    ("it is excluded", "excluded"),
    ("its metadata optimize says no", "excluded"),
    ("it was migrated a short time ago", "cool_down"),
    ("it is new", "unread"),
    ("it is on no host", "unplaced"),
    ("it is ", "instance_state"),
    ("Nova is busy with it", "instance_state"),
    ("Nova does not migrate it", "instance_state"),
    ("only its hypervisor can judge", "unjudged"),
    (UNMEASURED, "unmeasured"),
    ("its host is down", "host_down"),
    ("its host could not be read", "unread"),
    ("its host is outside", "scope"),
    ("down", "host_down"),
    ("disabled", "host_disabled"),
    ("not read completely", "unread"),
    ("outside the audit's scope", "scope"),
    ("outside availability zone", "availability_zone"),
    ("outside the aggregates", "aggregate"),
    ("in an aggregate", "aggregate"),
    ("in no aggregate", "aggregate"),
    ("not offered", "strategy"),
    ("against its server group", "server_group"),
    ("another hypervisor", "hypervisor"),
    ("an older hypervisor", "hypervisor"),
    ("another CPU", "cpu"),
    ("a CPU without", "cpu"),
    ("with trait", "trait"),
    ("without trait", "trait"),
    ("not enough ", "room"),
    ("more ", "room"),
)
"""What a reason begins with, and its kind; the first that fits."""

OTHER = "other"
KINDS = tuple(dict.fromkeys((*(kind for _, kind in _KINDS), OTHER)))
"""The kinds of reasons, for counting: there are few of them, whatever the cloud."""


def kind_of(reason: str) -> str:
    """One of ``KINDS``; reasons themselves name traits, zones and resources."""
    return next((kind for head, kind in _KINDS if reason.startswith(head)), OTHER)


@dataclass(frozen=True)
class Example:
    """An instance, by uuid, and the host, by name, that it is on or may not go to."""

    instance: str
    host: str


@dataclass(frozen=True)
class Refusal:
    """A reason, how often it was met, and the first few cases."""

    reason: str
    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class WhyNot:
    """What was refused: ``instances`` to be moved at all, ``destinations`` to some of the others.

    Of ``instances`` the count is of instances, of ``destinations`` of pairs of an instance and a
    host. ``stayed`` instances may be moved and are not; of these ``judged`` were looked at: all,
    or evenly spaced ones of very many.
    """

    stayed: int = 0
    judged: int = 0
    instances: tuple[Refusal, ...] = ()
    destinations: tuple[Refusal, ...] = ()


class Tally:
    """Refusals as they are met: counted by reason, with the first few examples of each."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._examples: Mapping[str, list[Example]] = defaultdict(list)

    def add(self, reason: str, count: int, examples: Iterable[Example]) -> None:
        """So many more for this reason; of the examples no more are read than are kept."""
        if count:
            self._count[reason] += count
            kept = self._examples[reason]
            kept += islice(examples, MOST_EXAMPLES - len(kept))

    def refusals(self) -> tuple[Refusal, ...]:
        """The most frequent first; what is beyond the bound is counted as one."""
        ordered = sorted(self._count.items(), key=lambda item: (-item[1], item[0]))
        found = [
            Refusal(reason[:LONGEST_REASON], count, tuple(self._examples[reason]))
            for reason, count in ordered[:MOST_REASONS]
        ]
        rest = sum(count for _, count in ordered[MOST_REASONS:])
        return (*found, *([Refusal(OTHERS, rest, ())] if rest else []))


def explain(constraints: Constraints, movable: Bools, reasons: Words) -> WhyNot:
    """What the constraints refuse now, in the placement of the plan's end.

    ``movable`` are the instances that may be moved, ``reasons`` why the others may not; an
    instance that is neither is not spoken of.
    """
    homes = constraints.cluster.instances.host
    still = movable & (constraints.placement.host == homes) & (homes != UNPLACED)
    rows = np.flatnonzero(still)
    pairs = len(rows) * len(constraints.cluster.hosts)
    step = max(1, -(-len(rows) // MOST_ROWS), -(-pairs // MOST_PAIRS))
    destinations = Tally()
    for alike in _alike(constraints, rows[::step]):
        _judge(constraints, alike, destinations)
    fixed = {int(row): str(reasons[row]) for row in np.flatnonzero(~movable & (reasons != ""))}
    return WhyNot(
        stayed=len(rows),
        judged=len(rows[::step]),
        instances=unmovable(constraints.cluster, fixed),
        destinations=destinations.refusals(),
    )


def combined(parts: Iterable[WhyNot]) -> WhyNot:
    """Several answers about different instances as one."""
    parts = tuple(parts)
    instances, destinations = Tally(), Tally()
    for part in parts:
        for tally, found in ((instances, part.instances), (destinations, part.destinations)):
            for one in found:
                tally.add(one.reason, one.count, one.examples)
    return WhyNot(
        stayed=sum(part.stayed for part in parts),
        judged=sum(part.judged for part in parts),
        instances=instances.refusals(),
        destinations=destinations.refusals(),
    )


def unmovable(cluster: Cluster, reasons: Mapping[int, str]) -> tuple[Refusal, ...]:
    """Instance rows, each with its reason, as refusals; those on no host are not spoken of."""
    instances, names = cluster.instances, cluster.hosts.name
    tally = Tally()
    for row, reason in reasons.items():
        home = instances.host[row]
        if home != UNPLACED:
            tally.add(reason, 1, (Example(str(instances.uuid[row]), str(names[home])),))
    return tally.refusals()


def _alike(constraints: Constraints, rows: Ints) -> Iterator[Ints]:
    """The rows in lots that only differ in room: one pool, or one member of a server group."""
    grouped = np.array([constraints.grouped(int(row)) for row in rows], dtype=np.bool_)
    pool = constraints.pools[0][rows]
    for number in np.unique(pool[~grouped]):
        yield rows[~grouped & (pool == number)]
    yield from rows[grouped][:, None]


def _judge(constraints: Constraints, rows: Ints, tally: Tally) -> None:
    """Count what is refused to instances that are alike but for the room they need."""
    homes = constraints.placement.host[rows]
    closed = constraints.closed(int(rows[0]))
    for reason in sorted(set(closed) - {""}):
        hosts = np.flatnonzero(closed == reason)
        _count(constraints, tally, reason, rows, hosts, homes[:, None] != hosts)
    hosts = np.flatnonzero(closed == "")
    left = homes[:, None] != hosts
    for reason, refused in constraints.full(rows, hosts):
        _count(constraints, tally, reason, rows, hosts, refused & left)
        left &= ~refused


def _count(
    constraints: Constraints, tally: Tally, reason: str, rows: Ints, hosts: Ints, refused: Bools
) -> None:
    """Count a rows x hosts matrix of refusals; its examples are of different instances."""
    uuids, names = constraints.cluster.instances.uuid, constraints.cluster.hosts.name
    examples = (
        Example(str(uuids[rows[at]]), str(names[hosts[int(refused[at].argmax())]]))
        for at in range(len(rows))
        if refused[at].any()
    )
    tally.add(reason, int(refused.sum()), examples)
