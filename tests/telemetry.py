# SPDX-License-Identifier: Apache-2.0
"""What this process has counted, and what an endpoint shows, read as Prometheus would."""

import json
import urllib.error
import urllib.request
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from watcher.telemetry import meters

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def number(name: str, **labels: str) -> float:
    """A counter of this process, or a histogram's _count; 0 before it was touched."""
    return meters.REGISTRY.get_sample_value(name, labels) or 0.0


class Scrape:
    """The answer of /metrics."""

    def __init__(self, port: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
            text = self.text = answer.read().decode()
        self.names: set[str] = set()
        self.series: Series = {}
        for family in text_string_to_metric_families(text):
            for one in family.samples:
                self.names.add(one.name)
                self.series[one.name, frozenset(one.labels.items())] = one.value

    def __call__(self, name: str, **labels: str) -> float:
        """The value of ``watcher_<name>``; KeyError when it is not shown."""
        return self.series[f"watcher_{name}", frozenset(labels.items())]

    def all(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by one of its labels, summed over the others."""
        found: dict[str, float] = {}
        for (shown, labels), value in self.series.items():
            if shown == f"watcher_{name}":
                key = dict(labels)[label]
                found[key] = found.get(key, 0.0) + value
        return found


def health(port: int, path: str = "/healthcheck") -> tuple[int, Any]:
    """The status and JSON of a page of an endpoint."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
