# SPDX-License-Identifier: Apache-2.0
"""A simulated cloud and the configuration that leads to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from tests.functional.collectors.configuration import written
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

Configure = Callable[..., cfg.ConfigOpts]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A cloud of 12 hosts and 80 servers."""
    with Simulator(generate(1, 12, 80)) as simulator:
        yield simulator


@pytest.fixture
def configure(simulator: Simulator, tmp_path: Path) -> Configure:
    """``configure(user="member", more="[collector] ...")``."""

    def read(user: str = "watcher", more: str = "") -> cfg.ConfigOpts:
        return written(tmp_path / "watcher.conf", simulator.urls, user, more)

    return read
