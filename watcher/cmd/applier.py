# SPDX-License-Identifier: Apache-2.0
"""watcher-applier: executes action plans."""

import sys

from watcher.applier.service import ApplierService
from watcher.cmd import daemon

PROGRAM = "watcher-applier"


def build(wires: daemon.Wires) -> ApplierService:
    """The service on its wires."""
    return ApplierService(wires.conf, wires.database, wires.bus, wires.announcer, wires.clients)


def main() -> int:
    """Run one process of it; any number of hosts may run one each, under names of their own."""
    return daemon.serve(PROGRAM, build, workers=1)


if __name__ == "__main__":
    sys.exit(main())
