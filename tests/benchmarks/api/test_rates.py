# SPDX-License-Identifier: Apache-2.0
"""How many requests one worker of watcher-api answers in a second of its CPU."""

import time

import pytest

from tests.benchmarks.api.conftest import Large
from tests.benchmarks.budget import within

pytestmark = pytest.mark.slow

REQUESTS = 10


@pytest.mark.parametrize(
    ("path", "collection", "items", "budget_ms"),
    [("/v1/audits?limit=100", "audits", 100, 150.0), ("/v1/goals", "goals", 10, 40.0)],
)
def test_requests_per_second(
    large: Large, path: str, collection: str, items: int, budget_ms: float
) -> None:
    def ask() -> float:
        begun = time.process_time()
        for _ in range(REQUESTS):
            assert len(large.get(path).json[collection]) == items
        return time.process_time() - begun

    took = within(f"{large.server}: {REQUESTS} x GET {path}", budget_ms * REQUESTS / 1000, ask)
    print(f", {REQUESTS / took:.0f} requests per second of one worker")
