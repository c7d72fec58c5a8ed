# SPDX-License-Identifier: Apache-2.0
"""``python -m watcher.simulator``: a simulated cloud until it is interrupted."""

import argparse
import signal
import sys
import threading

from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator, Urls

_OPENRC = """\
export OS_AUTH_URL={identity}/v3
export OS_USERNAME=admin OS_PASSWORD=simulated OS_PROJECT_NAME=admin
export OS_USER_DOMAIN_ID=default OS_PROJECT_DOMAIN_ID=default
export OS_IDENTITY_API_VERSION=3 OS_REGION_NAME=RegionOne
# metric history: InfluxDB 1.x at {influxdb}, database {database}
"""


def openrc(urls: Urls) -> str:
    """Shell lines that point a client at the simulator."""
    return _OPENRC.format(
        identity=urls.identity, influxdb=urls.influxdb, database=urls.influxdb_database
    )


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m watcher.simulator", description=__doc__)
    parser.add_argument("--hosts", type=int, default=24)
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--placement", choices=("fragmented", "skewed"), default="fragmented")
    parser.add_argument("--speed", type=float, default=1.0, help="times faster than real")
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    parser.add_argument("--infra-optim-url", help="what the catalogue says of Watcher's API")
    given = parser.parse_args(arguments)
    world = generate(given.seed, given.hosts, given.instances, placement=given.placement)
    simulator = Simulator(
        world, speed=given.speed, port=given.port, infra_optim_url=given.infra_optim_url
    )
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with simulator:
        sys.stdout.write(openrc(simulator.urls))
        sys.stdout.flush()
        ended.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
