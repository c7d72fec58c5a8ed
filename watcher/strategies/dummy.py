# SPDX-License-Identifier: Apache-2.0
"""``dummy``: says hello and sleeps, to try a whole installation without touching anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from watcher.core.cluster import Cluster
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import param
from watcher.core.solution import Solution, nop, sleep


@dataclass(frozen=True)
class Parameters:
    """What can be tried out with it."""

    para1: float = param(3.2, "How long to sleep, seconds.", minimum=1.0, maximum=10.2)
    para2: str = param("hello", "What to say after the greeting.")


class Dummy:
    """Two words and a pause: two ``nop`` actions and one ``sleep``.

    Changes nothing in the cloud. A plan of it that succeeds shows that the API, the decision
    engine, the applier, the database and the message bus work together.
    """

    name: ClassVar[str] = "dummy"
    display_name: ClassVar[str] = "Dummy strategy"
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
        """The same three actions, whatever the cluster."""
        return Solution((nop("hello World"), nop(parameters.para2), sleep(parameters.para1)))
