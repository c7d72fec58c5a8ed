# SPDX-License-Identifier: Apache-2.0
"""What the tests of all metric stores share: a small cluster, a configuration, hostile words."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import yaml
from oslo_config import cfg

from tests.worlds import host_record, instance_record
from watcher import config
from watcher.core.cluster import Cluster
from watcher.core.metrics import Metric, Query, Subject
from watcher.core.records import assemble
from watcher.datasources.choice import DataSources

HOSTS, INSTANCES = 6, 20
HOSTILE = (
    "it's",
    'say "hi"',
    "${1+1}",
    "; DROP DATABASE telegraf; --",
    "a=b,c d",
    "größer 😀",
    "/.*/",
    "back\\slash",
    "x' OR '1'='1",
    ".*",
    '"} or vector(1) #',
)


def cluster(prefix: str = "node") -> Cluster:
    """Hosts node-0.., each instance vm{i} on host i % HOSTS with 1 + i % 4 vCPUs."""
    return assemble(
        [host_record(f"{prefix}-{at}") for at in range(HOSTS)],
        [
            instance_record(
                f"vm{at}",
                f"{prefix}-{at % HOSTS}",
                vcpus=1 + at % 4,
                domain_name=f"instance-{at:08x}",
            )
            for at in range(INSTANCES)
        ],
    )


def configured(
    folder: pathlib.Path,
    source: str,
    groups: Mapping[str, Mapping[str, Any]],
    changes: Any = None,
) -> cfg.ConfigOpts:
    """One source in use, its options by group, and a metric map."""
    path = folder / "map.yaml"
    path.write_text(yaml.safe_dump(changes or {}, allow_unicode=True), encoding="utf-8")
    conf = cfg.ConfigOpts()
    config.register(conf)
    conf([], default_config_files=[])
    conf.set_override("metric_map_path", str(path), "watcher_decision_engine")
    conf.set_override("datasources", [source], "watcher_datasources")
    # The tests write as few samples as make their point.
    conf.set_override("minimum_coverage_percent", 0.0, "watcher_datasources")
    for group, options in groups.items():
        for name, value in options.items():
            conf.set_override(name, value, group)
    return conf


def measured(
    sources: DataSources, metric: Metric, there: Cluster | None = None, **more: Any
) -> dict[str, float]:
    """Name -> value, for those that were measured."""
    there = there or cluster()
    query = Query(metric, **more)
    column = sources.fetch([query], there)[query]
    host = metric.subject is Subject.HOST
    names = there.hosts.name if host else there.instances.name
    pairs = zip(names, column, strict=True)
    return {name: float(value) for name, value in pairs if not np.isnan(value)}
