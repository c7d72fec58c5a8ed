# SPDX-License-Identifier: Apache-2.0
"""What all simulated services share."""

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from watcher.simulator.clock import Clock
from watcher.simulator.faults import Faults
from watcher.simulator.world import World


@dataclass
class Cloud:
    """The world, its time, its faults, and the lock on them.

    :ivar stopping: set when the simulator stops, so that no delayed answer holds it up
    :ivar requests: how often each (service, method, route) was asked
    :ivar ticks: what brings services with a time of their own up to a moment, before each answer
    """

    world: World
    clock: Clock = field(default_factory=Clock)
    faults: Faults = field(default_factory=Faults)
    lock: threading.RLock = field(default_factory=threading.RLock)
    stopping: threading.Event = field(default_factory=threading.Event)
    requests: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    ticks: list[Callable[[float], None]] = field(default_factory=list)
