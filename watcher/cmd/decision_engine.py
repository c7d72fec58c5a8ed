# SPDX-License-Identifier: Apache-2.0
"""watcher-decision-engine: audits, the model, synchronisation at start."""

import sys

from watcher.cmd import daemon
from watcher.decision_engine.service import DecisionEngineService

PROGRAM = "watcher-decision-engine"


def build(wires: daemon.Wires) -> DecisionEngineService:
    """The service on its wires."""
    return DecisionEngineService(
        wires.conf, wires.database, wires.bus, wires.announcer, wires.clients
    )


def main() -> int:
    """Run one process of it; any number of hosts may run one each, under names of their own."""
    return daemon.serve(PROGRAM, build, workers=1)


if __name__ == "__main__":
    sys.exit(main())
