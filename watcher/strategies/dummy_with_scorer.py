# SPDX-License-Identifier: Apache-2.0
"""``dummy_with_scorer``: how a strategy asks scoring engines; and the engines it asks."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from watcher.core.cluster import Cluster
from watcher.core.errors import Invalid
from watcher.core.metrics import Metrics, Query
from watcher.core.parameters import param
from watcher.core.protocols import Scorer
from watcher.core.solution import Solution, nop, sleep

FEATURES = (
    *("cpu_user_percent", "cpu_system_percent", "cpu_iowait_percent"),
    *("memory_used_percent", "swap_used_percent", "disk_read_mib_s", "disk_write_mib_s"),
    *("network_in_mib_s", "network_out_mib_s"),
)
WORKLOADS = ("idle", "cpu", "memory", "storage", "network")


class DummyScorer:
    """Tells by a few thresholds what kind of work a machine does.

    Takes nine numbers, in the order of ``feature_columns`` in its metainfo, and gives the position
    of the workload in ``workloads`` there.
    """

    name = "dummy_scorer"
    description = "Tells the kind of work of a machine from nine measurements."

    @property
    def metainfo(self) -> str:
        """The meaning of the features and of the scores, as JSON."""
        return json.dumps({"feature_columns": list(FEATURES), "workloads": list(WORKLOADS)})

    def calculate_score(self, features: str) -> str:
        """The workload as a JSON array of one number."""
        values = _numbers(self.name, features)
        if len(values) != len(FEATURES):
            raise Invalid(f"{self.name}: {len(FEATURES)} features are wanted, not {len(values)}")
        user, system, iowait, memory, swap, *io = values
        read, write, received, sent = io
        if iowait >= 20 or read + write >= 50:
            found = "storage"
        elif received + sent >= 50:
            found = "network"
        elif swap > 0 or memory >= 80:
            found = "memory"
        else:
            found = "cpu" if user + system >= 50 else "idle"
        return json.dumps([WORKLOADS.index(found)])


@dataclass(frozen=True)
class AggregateScorer:
    """Makes one number of any features."""

    name: str
    description: str
    aggregate: Callable[[Sequence[float]], float]
    metainfo: str = ""

    def calculate_score(self, features: str) -> str:
        """The number as a JSON array of one."""
        values = _numbers(self.name, features)
        if not values:
            raise Invalid(f"{self.name}: one feature at least is wanted")
        return json.dumps([self.aggregate(values)])


def dummy_scorers() -> list[AggregateScorer]:
    """The container: several scoring engines from one entry point."""
    return [
        AggregateScorer("dummy_min_scorer", "The smallest of the features.", min),
        AggregateScorer("dummy_max_scorer", "The largest of the features.", max),
        AggregateScorer("dummy_avg_scorer", "The mean of the features.", fmean),
    ]


def _numbers(name: str, features: str) -> list[float]:
    try:
        values = [float(value) for value in json.loads(features)]
    except (TypeError, ValueError) as error:
        raise Invalid(f"{name}: a JSON array of numbers is wanted: {error}") from None
    if not all(map(math.isfinite, values)):
        raise Invalid(f"{name}: features must be finite")
    return values


@dataclass(frozen=True)
class Parameters:
    """What can be tried out with it."""

    param1: float = param(
        3.2, "One of the numbers whose average is said.", minimum=1.0, maximum=10.2
    )
    param2: str = param("hello", "The greeting.")


class DummyWithScorer:
    """Says what two scoring engines answer: three ``nop`` and a ``sleep`` of 5 seconds.

    Changes nothing in the cloud. The scoring engines are ``dummy_scorer``, which recognises the
    workload of a fixed sample, and ``dummy_avg_scorer``.
    """

    name: ClassVar[str] = "dummy_with_scorer"
    display_name: ClassVar[str] = "Dummy Strategy using sample Scoring Engines"
    goal: ClassVar[str] = "dummy"
    planner: ClassVar[str] = "weight"
    parameters = Parameters

    def __init__(self, workload: Scorer | None = None, average: Scorer | None = None) -> None:
        self._workload = workload or DummyScorer()
        self._average = average or dummy_scorers()[2]

    def queries(self, parameters: Parameters) -> Sequence[Query]:  # noqa: ARG002
        """Nothing is measured."""
        return ()

    def solve(
        self,
        cluster: Cluster,  # noqa: ARG002
        metrics: Metrics,  # noqa: ARG002
        parameters: Parameters,
    ) -> Solution:
        """The same actions, whatever the cluster."""
        sample = json.dumps([25, 30, 2, 60, 0, 3, 5, 1, 1])
        (number,) = json.loads(self._workload.calculate_score(sample))
        workload = json.loads(self._workload.metainfo)["workloads"][number]
        features = json.dumps([parameters.param1, 1.0, 2.0])
        (average,) = json.loads(self._average.calculate_score(features))
        return Solution(
            (
                nop(parameters.param2),
                nop(f"detected workload: {workload}"),
                nop(f"average: {average:g}"),
                sleep(5.0),
            )
        )
