# SPDX-License-Identifier: Apache-2.0
"""How long something may take, and what it took: printed, and asserted.

CPU seconds of this process, the best of a few rounds: other work on the machine counts as little
as it can, and so does the garbage collector, which would look at all the test's records as well.
``tools/test benchmarks`` shows the lines.
"""

import gc
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def within(what: str, budget_s: float, function: Callable[[], T], *, rounds: int = 3) -> T:
    """Call it some times, print budget and best time, and fail when that is over the budget."""
    best = float("inf")
    for _ in range(rounds):
        result = None  # its memory is given back now, not while the next one is timed
        gc.collect()
        gc.disable()
        try:
            begun = time.process_time()
            result = function()
            best = min(best, time.process_time() - begun)
        finally:
            gc.enable()
    print(f"\n{what}: {best * 1000:.1f} ms of CPU, budget {budget_s * 1000:.0f} ms", end="")
    assert best <= budget_s, f"{what} took {best:.3f} s of CPU, budget {budget_s} s"
    return result
