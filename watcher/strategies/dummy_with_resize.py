# SPDX-License-Identifier: Apache-2.0
"""``dummy_with_resize``: the dummy's words and pause, and moves and a resize of nothing real."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from watcher.core.cluster import Cluster
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import param
from watcher.core.solution import Solution, migrate, nop, resize, sleep

_FIRST = "b199db0c-1408-4d52-b5a5-5ca14de0ff36"
_SECOND = "8db1b3c1-7938-4c34-8c03-6de14b874f8f"


@dataclass(frozen=True)
class Parameters:
    """As those of ``dummy``."""

    para1: float = param(
        3.2, "Taken for the likeness with dummy; the pause is 5 s.", minimum=1.0, maximum=10.2
    )
    para2: str = param("hello", "What to say after the greeting.")


class DummyWithResize:
    """What a plan with migrations and a resize looks like, without touching anything.

    Two ``nop``, a ``sleep`` of 5 seconds, two live migrations from host ``compute2`` to
    ``compute3`` and a resize to flavor ``x2``, all of instances that no cloud has. The plan is to
    be looked at: when it is started it becomes FAILED, because its migrations do not fit the
    cloud.
    """

    name: ClassVar[str] = "dummy_with_resize"
    display_name: ClassVar[str] = "Dummy strategy with resize"
    goal: ClassVar[str] = "dummy"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def queries(self, parameters: Parameters) -> Sequence[Query]:  # noqa: ARG002
        """Nothing is measured."""
        return ()

    def solve(
        self,
        cluster: Cluster,  # noqa: ARG002
        metrics: Metrics,  # noqa: ARG002
        parameters: Parameters,
    ) -> Solution:
        """The same six actions, whatever the cluster."""
        moves = [
            migrate(uuid, "compute2", "compute3", name=f"server{number}")
            for number, uuid in enumerate((_FIRST, _SECOND), start=1)
        ]
        said = (nop("hello World"), nop(parameters.para2), sleep(5.0))
        return Solution((*said, *moves, resize(_SECOND, "x2")), imaginary=True)
