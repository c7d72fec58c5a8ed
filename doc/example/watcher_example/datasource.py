# SPDX-License-Identifier: Apache-2.0
"""The data source ``csv``: the CPU load of hosts from a file, ``host,percent`` in each line."""

import csv
import pathlib

import numpy as np
from oslo_config import cfg

from watcher.core.cluster import Cluster
from watcher.core.errors import NoMetrics
from watcher.core.metrics import Coverage, Floats, Metric, Query

OPTIONS = [cfg.StrOpt("path", help="The file. Unset: there is none.")]


class Csv:
    """One column for all hosts, from one reading of the file."""

    name = "csv"

    def __init__(self, conf: cfg.ConfigOpts, changes: object = None) -> None:
        del changes  # of the metric map, which says what a metric is called in a store
        conf.register_opts(OPTIONS, group="csv")
        self._file = pathlib.Path(conf.csv.path) if conf.csv.path else None

    @property
    def metrics(self) -> frozenset[Metric]:
        """The CPU load, once there is a file."""
        return frozenset({Metric.HOST_CPU_USAGE} if self._file else ())

    def available(self) -> bool:
        """Whether the file is there."""
        return self._file is not None and self._file.exists()

    def measures(self, query: Query) -> bool:
        """Whether it has any line."""
        return query.metric in self.metrics and bool(self._read())

    def fetch(self, query: Query, cluster: Cluster) -> tuple[Floats, Coverage]:
        """Percent by host, ``nan`` for hosts without a line. Raises NoMetrics without any."""
        del query
        found = self._read()
        if not found:
            raise NoMetrics(f"{self._file} has no line")
        column = np.array([found.get(str(name), np.nan) for name in cluster.hosts.name])
        return column, Coverage(self.name, int(np.count_nonzero(~np.isnan(column))), column.size)

    def _read(self) -> dict[str, float]:
        if self._file is None or not self._file.exists():
            return {}
        with self._file.open(newline="", encoding="utf-8") as lines:
            return {host: float(percent) for host, percent in csv.reader(lines)}
