# SPDX-License-Identifier: Apache-2.0
"""What a scrape of the metrics costs in a large database."""

import time

from tests.benchmarks.api.conftest import Large
from watcher.exporter import tables

LIMIT_S = 0.5
TRIES = 3


def test_a_scrape_counts_by_state_in_less_than_half_a_second(large: Large) -> None:
    seconds, shown = [], {}
    for _ in range(TRIES):
        begun = time.perf_counter()
        with large.database.reading() as session:
            found = list(tables.readings(session))
        seconds.append(time.perf_counter() - begun)
        shown = {(one.gauge.name, one.labels): one.value for one in found}
    print(f"\n{large.server}: a scrape of the database takes {min(seconds) * 1000:.0f} ms")
    assert shown["audits", ("FAILED",)] > 0
    assert shown["actions", ("PENDING",)] > 0
    assert min(seconds) < LIMIT_S
