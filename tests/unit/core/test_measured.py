# SPDX-License-Identifier: Apache-2.0
"""Loads out of measurements, and what takes the place of what was not measured."""

import numpy as np

from tests.worlds import host_row, instance_row, world
from watcher.core.measured import measured_load


def test_what_is_measured_counts_and_what_is_not_counts_as_all_or_nothing() -> None:
    built = world().host("c1").runs("idle").runs("blind", vcpus=4).runs("off", state="stopped")
    cluster = built.cluster()
    use = np.full(3, np.nan)
    use[instance_row(cluster, "idle")] = 0.0
    allocated = cluster.instances.demand[:, 0].astype(float)
    found = measured_load(
        cluster, "cpu", (use, allocated), np.array([8.0]), (np.full(1, np.nan), np.zeros(1))
    )
    demand = {str(n): d for n, d in zip(cluster.instances.name, found.load.demand, strict=True)}
    assert demand == {"idle": 0.0, "blind": 4.0, "off": 0.0}
    assert found.known.tolist() == [0.0, 0.0, 0.0]
    assert found.unmeasured == 1


def test_a_host_carries_besides_its_instances_what_its_own_measurement_shows() -> None:
    cluster = world().host("c1").runs("a").host("c2").runs("b").cluster()
    use = np.where(np.arange(2) == instance_row(cluster, "a"), 1.0, np.nan)
    own = np.array([3.0, 3.0])
    found = measured_load(
        cluster, "cpu", (use, np.ones(2)), np.full(2, 8.0), (own, np.full(2, 0.5))
    )
    assert found.load.overhead[host_row(cluster, "c1")] == 2.0
    assert found.load.overhead[host_row(cluster, "c2")] == 0.5
