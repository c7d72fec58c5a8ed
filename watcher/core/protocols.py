# SPDX-License-Identifier: Apache-2.0
"""What a plugin must offer. A plugin satisfies a protocol, it inherits nothing.

``watcher.plugins`` checks everybody's plugins against these at load time and says in one sentence
what is missing.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from watcher.core.cluster import Cluster
from watcher.core.metrics import Coverage, Floats, Metric, Metrics, Query
from watcher.core.plan import Plan
from watcher.core.solution import Action, Solution

P = TypeVar("P")
P_contra = TypeVar("P_contra", contravariant=True)
T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class Strategy(Protocol[P]):
    """Decides; pure. Its class docstring is its documentation page."""

    name: ClassVar[str]
    display_name: ClassVar[str]
    goal: ClassVar[str]
    planner: ClassVar[str]

    @property
    def parameters(self) -> type[P]:
        """A dataclass of ``param()`` lines."""
        ...

    def queries(self, parameters: P) -> Sequence[Query]:
        """What must be (or may be, ``required=False``) measured before ``solve``."""
        ...

    def solve(self, cluster: Cluster, metrics: Metrics, parameters: P) -> Solution:
        """The answer; the same for the same input. Raises Invalid or Unavailable with a reason."""
        ...


def models_of(strategy: Any, parameters: Any) -> tuple[str, ...]:
    """What a strategy reads besides compute: out of ``storage`` and ``baremetal``.

    A strategy that does has a method ``models(parameters)`` saying so.
    """
    declared = getattr(strategy, "models", None)
    if declared is None or parameters is None:
        return ()
    return tuple(declared(parameters))


def marks_of(strategy: Any, parameters: Any) -> Mapping[str, float]:
    """The thresholds that a strategy holds hosts to, for its plans' reports to draw.

    By a metric's public name in its unit, or by the name of one of its solution's loads in percent
    of that load's limit. A strategy that has any has a method ``marks(parameters)`` saying so.
    """
    declared = getattr(strategy, "marks", None)
    return {} if declared is None else dict(declared(parameters))


@runtime_checkable
class Planner(Protocol):
    """Orders a solution; pure. Built with its options as keyword arguments."""

    name: ClassVar[str]

    def order(self, solution: Solution, cluster: Cluster) -> Plan:
        """The actions in an order in which every intermediate state fits."""
        ...


class Progress(Enum):
    """How far an action has come that a process began which is no more."""

    NOT_BEGUN = "not begun"
    RUNNING = "running"
    DONE = "done"


@runtime_checkable
class ActionHandler(Protocol):
    """The hands: does one action. Built as ``Handler(clients, parameters, stop)``.

    ``schema`` is the JSON Schema of the input parameters, ``description`` the text the API shows.
    ``perform`` returns when the end is reached and raises ActionFailed with the cloud's own reason
    when it is not; ``stop`` is an Event that is set when waiting must end at once: the daemon is
    going down, or ``abort`` was called.
    """

    type: ClassVar[str]
    description: ClassVar[str]
    schema: ClassVar[Mapping[str, Any]]
    can_abort: ClassVar[bool]

    def check(self) -> Mapping[str, Any]:
        """What is there before, as JSON; it is stored before ``perform`` begins.

        Raises Skip when there is nothing to do, ActionFailed when it cannot be done.
        """
        ...

    def perform(self) -> None:
        """Do it, and wait until it is done."""
        ...

    def observe(self, before: Mapping[str, Any]) -> Progress:
        """How far a ``perform`` has come that was begun by a process that is no more.

        The cloud decides; ``before`` is what ``check`` returned then. Called instead of ``check``
        on a new handler. After RUNNING, ``perform`` waits for what runs instead of beginning
        anew; after NOT_BEGUN ``check`` is called before ``perform``. Raises ActionFailed with the
        cloud's own reason when what was begun has failed; ``undo`` then puts back what is left.
        """
        ...

    def undo(self) -> str:
        """Put back what ``perform`` changed and say what was put back; '' when nothing was."""
        ...

    def abort(self) -> None:
        """Break off a ``perform`` that is running in another thread."""
        ...

    def reverse(self, before: Mapping[str, Any]) -> Action | None:
        """The action that takes back this one, which succeeded; for the rollback of a plan.

        ``before`` is what ``check`` returned. None when there is nothing to take back. Raises
        ActionFailed with the reason when nothing can.
        """
        ...

    def compensation(self) -> Action | None:
        """What to do at the end of a plan that did not reach all of its ends, because of this
        action that did; None when it does no harm by itself.
        """
        ...


@runtime_checkable
class Scorer(Protocol):
    """A scoring engine: judges features, for strategies that learned to; pure."""

    name: str
    description: str

    @property
    def metainfo(self) -> str:
        """What its features and scores mean, for programs: JSON text, or ''."""
        ...

    def calculate_score(self, features: str) -> str:
        """The scores of the features, both JSON arrays as text. Raises Invalid for others."""
        ...


class Collector(Protocol[T_co]):
    """The eyes on the cloud."""

    name: ClassVar[str]

    def collect(self) -> T_co:
        """Read everything, in bulk. Raises ServiceDown when the cloud does not answer."""
        ...


@runtime_checkable
class DataSource(Protocol):
    """The eyes on history."""

    name: ClassVar[str]

    @property
    def metrics(self) -> frozenset[Metric]:
        """What this source is configured to measure."""
        ...

    def available(self) -> bool:
        """Whether the store answers."""
        ...

    def measures(self, query: Query) -> bool:
        """Whether there is any sample of this metric in the query's period; a quick look."""
        ...

    def fetch(self, query: Query, cluster: Cluster) -> tuple[Floats, Coverage]:
        """One column in our units, ``nan`` where nothing was measured; one request per metric.

        Raises NoMetrics when nothing was measured at all, another Unavailable when the store does
        not answer or answers with an error.
        """
        ...
