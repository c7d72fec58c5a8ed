# SPDX-License-Identifier: Apache-2.0
"""Private MariaDB, PostgreSQL, RabbitMQ, InfluxDB, Prometheus and Gnocchi for tests.

    tools/services up [NAME...]      start these (the first four if none is named)
    tools/services stop NAME...      stop these, keeping data and port
    tools/services start NAME...     the same as up
    tools/services env               the addresses, as shell exports
    tools/services status            what runs
    tools/services down [--purge]    stop all that was started here (and drop the data)

NAME is mariadb, postgresql, rabbitmq, influxdb, influxdb-auth (a second InfluxDB
that asks for a password), prometheus or gnocchi (which brings postgresql). Each has its data below $WATCHER_STATE/services (default:
.state in the repository) and a free port of 127.0.0.1 that it keeps, so nothing here
meets a server that the machine runs already. $WATCHER_STATE/services.json has the
addresses of what was started. Missing Debian packages are installed with apt-get
(as root); InfluxDB and Prometheus are only unpacked below the state folder, Gnocchi
comes from PyPI into a venv there.
"""

from __future__ import annotations

import functools
import json
import pathlib
import shutil
import sys

from tests.cloud.process import (
    STATE,
    Processes,
    free_port,
    listening,
    locked,
    say,
    step,
    wait_for,
)
from tests.cloud.servers import (
    HOME,
    InfluxDB,
    InfluxDBAuth,
    MariaDB,
    PostgreSQL,
    RabbitMQ,
    Service,
)

ADDRESSES = STATE / "services.json"
DEFAULT = ("mariadb", "postgresql", "rabbitmq", "influxdb")


@functools.cache
def kinds() -> dict[str, type[Service]]:
    """What there is, by name."""
    from tests.cloud.stores import Gnocchi, Prometheus

    every = (MariaDB, PostgreSQL, RabbitMQ, InfluxDB, InfluxDBAuth, Prometheus, Gnocchi)
    return {kind.name: kind for kind in every}


def _read(path: pathlib.Path) -> dict[str, dict[str, int]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def service(name: str) -> Service:
    """A service with the ports it keeps; SystemExit if there is no such service."""
    if name not in kinds():
        raise SystemExit(f"no service {name!r}; there are {', '.join(kinds())}")
    found = kinds()[name]()
    found.ports = _read(HOME / "ports.json").get(name, {})
    return found


def _assign_ports(found: Service) -> None:
    """Keep the ports of last time but those that somebody else has taken since.

    The others stay: the cloud has RabbitMQ's in its configuration, and a port mapper that a
    rabbitmqctl started for itself while the broker was away must not change it.
    """
    path = HOME / "ports.json"
    known = _read(path)
    taken = {port for ports in known.values() for port in ports.values()}
    ports = known.get(found.name, {})
    for name in found.port_names:
        if name not in ports or listening(ports[name]):
            ports[name] = free_port(taken)
            taken.add(ports[name])
    path.write_text(json.dumps({**known, found.name: ports}, indent=1), encoding="utf-8")
    found.ports = ports


def reserve(name: str) -> Service:
    """Give a service its ports before it is started."""
    with locked("services"):
        found = service(name)
        if not Processes(HOME).pid(name):
            _assign_ports(found)
        return found


def _write_addresses(processes: Processes) -> dict[str, str]:
    """services.json: the addresses of what runs now."""
    addresses: dict[str, str] = {}
    for name in kinds():
        if processes.pid(name):
            addresses.update(service(name).addresses())
    ADDRESSES.write_text(json.dumps(addresses, indent=1) + "\n", encoding="utf-8")
    return addresses


def up(names: tuple[str, ...] = DEFAULT) -> dict[str, str]:
    """Start these unless they run; return the addresses of all that run."""
    with locked("services"):
        processes = Processes(HOME)
        before = [one for name in names for one in service(name).requires]
        found = [service(name) for name in dict.fromkeys((*before, *names))]
        stopped = [each for each in found if not processes.pid(each.name)]
        for each in stopped:
            each.install()
            processes.stop(each.process_names())
            _assign_ports(each)
            with step(f"start {each.name}"):
                each.start(processes)
                alive = functools.partial(processes.dead, each.process_names())
                wait_for(each.name, each.ready, alive=alive)
                each.finish()
        return _write_addresses(processes)


def stop(names: tuple[str, ...]) -> None:
    """Stop these; their data and ports stay."""
    with locked("services"):
        processes = Processes(HOME)
        for name in names:
            found = service(name)
            with step(f"stop {name}"):
                for process in found.process_names():
                    processes.stop([process], found.stop_timeout_s)
        _write_addresses(processes)


def down(purge: bool = False) -> None:
    """Stop all that was started here; with PURGE drop the data as well."""
    stop(tuple(name for name in kinds() if Processes(HOME).pid(name)))
    ADDRESSES.unlink(missing_ok=True)
    if purge:
        for path in HOME.iterdir():
            if path.name == "debian" or path.name.startswith("venv"):
                continue  # a download, not data
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def status() -> int:
    """Print what runs; 1 if something that was started does not."""
    processes = Processes(HOME)
    for name in processes.names():
        pid = processes.pid(name)
        memory_mb = processes.memory_mb(name)
        say(f"{name:<16} {'running' if pid else 'DEAD':<8} {pid or '':>8} {memory_mb:6.0f} MiB")
    return 1 if processes.dead() else 0


def main(arguments: list[str]) -> int:
    """Run one verb of ``tools/services``; return the exit status."""
    verb, *rest = arguments or ["help"]
    names = tuple(word for word in rest if not word.startswith("-"))
    if verb == "up" or (verb == "start" and names):
        for key, value in up(names or DEFAULT).items():
            say(f"  {key} = {value}")
    elif verb == "stop" and names:
        stop(names)
    elif verb == "env":
        for key, value in (
            json.loads(ADDRESSES.read_text()) if ADDRESSES.exists() else {}
        ).items():
            say(f"export WATCHER_TEST_{key.upper()}='{value}'")
    elif verb == "status":
        return status()
    elif verb == "down":
        down("--purge" in rest)
    else:
        say(str(__doc__).strip())
        return 0 if verb in ("help", "--help", "-h") else 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
