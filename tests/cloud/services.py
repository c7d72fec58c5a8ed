# SPDX-License-Identifier: Apache-2.0
"""Private MariaDB, PostgreSQL, RabbitMQ and InfluxDB for tests.

    tools/services up [NAME...]      start these (all but influxdb-auth if none is named)
    tools/services stop NAME...      stop these, keeping data and port
    tools/services start NAME...     the same as up
    tools/services env               the addresses, as shell exports
    tools/services status            what runs
    tools/services down [--purge]    stop all that was started here (and drop the data)

NAME is mariadb, postgresql, rabbitmq, influxdb or influxdb-auth (a second InfluxDB
that asks for a password). Each has its data below $WATCHER_STATE/services (default:
.state in the repository) and a free port of 127.0.0.1 that it keeps, so nothing here
meets a server that the machine runs already. $WATCHER_STATE/services.json has the
addresses of what was started. Missing Debian packages are installed with apt-get
(as root); InfluxDB is only unpacked below the state folder.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import shutil
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping

from tests.cloud.process import (
    ADDRESS,
    STATE,
    Processes,
    apt_install,
    free_port,
    listening,
    locked,
    run,
    say,
    step,
    wait_for,
)

HOME = STATE / "services"
ADDRESSES = STATE / "services.json"
DEFAULT = ("mariadb", "postgresql", "rabbitmq", "influxdb")


class Service:
    """One server: what it needs, how it is started, and where it is then."""

    name = ""
    packages: Mapping[str, str] = {}  # program -> Debian package
    port_names: tuple[str, ...] = ("port",)
    stop_timeout_s = 30.0

    def __init__(self) -> None:
        self.home = HOME / self.name
        self.ports: dict[str, int] = {}

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return self.ports["port"]

    def install(self) -> None:
        """Have the programs."""
        missing = [
            package for program, package in self.packages.items() if not os.path.exists(program)
        ]
        if missing:
            apt_install(sorted(set(missing)))

    def start(self, processes: Processes) -> None:
        """Make the data folder if there is none, and start."""
        raise NotImplementedError

    def ready(self) -> bool:
        """Does it serve?"""
        return listening(self.port)

    def finish(self) -> None:
        """Do what needs a running server, once it is ready."""

    def addresses(self) -> dict[str, str]:
        """What it adds to services.json."""
        raise NotImplementedError

    def process_names(self) -> tuple[str, ...]:
        """Its processes, in the order in which they are stopped."""
        return (self.name,)


class MariaDB(Service):
    """MariaDB; root has no password. Data need not survive the machine, only a restart."""

    name = "mariadb"
    packages = {
        "/usr/sbin/mariadbd": "mariadb-server",
        "/usr/bin/mariadb-install-db": "mariadb-server",
    }

    def start(self, processes: Processes) -> None:
        """Make the system tables if there are none, and start."""
        data = self.home / "data"
        user = ["--user=root"] if os.geteuid() == 0 else []
        if not (data / "mysql").exists():
            self.home.mkdir(parents=True, exist_ok=True)
            run(
                [
                    "mariadb-install-db", "--no-defaults", f"--datadir={data}", *user,
                    "--auth-root-authentication-method=normal", "--skip-test-db",
                ]
            )  # fmt: skip
        processes.start(
            self.name,
            [
                "/usr/sbin/mariadbd", "--no-defaults", *user, f"--datadir={data}",
                f"--bind-address={ADDRESS}", f"--port={self.port}",
                # Relative to the data folder: the path of a socket must be short.
                "--socket=mariadb.sock", f"--pid-file={self.home / 'mariadb.pid'}",
                "--skip-name-resolve", "--skip-log-bin", "--max-connections=1000",
                "--innodb-buffer-pool-size=192M", "--innodb-log-file-size=64M",
                "--performance-schema=OFF", "--innodb-flush-log-at-trx-commit=0",
                "--innodb-doublewrite=0", "--innodb-flush-method=nosync",
            ],
        )  # fmt: skip

    def addresses(self) -> dict[str, str]:
        """SQLAlchemy's URL without a database."""
        return {"database_mysql": f"mysql+pymysql://root@{ADDRESS}:{self.port}"}


class PostgreSQL(Service):
    """PostgreSQL; user postgres, no password. It refuses to run as root."""

    name = "postgresql"
    bin_dir = pathlib.Path("/usr/lib/postgresql")

    def install(self) -> None:
        """Have the programs, of whatever version Debian has."""
        if not sorted(self.bin_dir.glob("*/bin/postgres")):
            apt_install(["postgresql"])

    def _program(self, name: str) -> list[str]:
        """The command line of a program, as user postgres if we are root."""
        program = str(sorted(self.bin_dir.glob(f"*/bin/{name}"))[-1])
        if os.geteuid():
            return [program]
        # The capability lets it through parent folders that only root may enter.
        capability = "+dac_read_search"
        return [
            "setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups",
            f"--inh-caps={capability}", f"--ambient-caps={capability}", program,
        ]  # fmt: skip

    def start(self, processes: Processes) -> None:
        """Make the cluster if there is none, and start."""
        data = self.home / "data"
        if not (data / "PG_VERSION").exists():
            data.mkdir(parents=True, exist_ok=True)
            if os.geteuid() == 0:
                shutil.chown(data, "postgres", "postgres")
            run(
                [
                    *self._program("initdb"), f"--pgdata={data}", "--username=postgres",
                    "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
                ],
                cwd=pathlib.Path("/"),
            )  # fmt: skip
        settings = {
            "listen_addresses": ADDRESS,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "max_connections": "200",
        }
        options = [word for pair in settings.items() for word in ("-c", "=".join(pair))]
        processes.start(
            self.name,
            [*self._program("postgres"), "-D", str(data), *options],
            cwd=pathlib.Path("/"),
        )

    def addresses(self) -> dict[str, str]:
        """SQLAlchemy's URL without a database."""
        return {"database_postgresql": f"postgresql+psycopg://postgres@{ADDRESS}:{self.port}"}


class RabbitMQ(Service):
    """RabbitMQ; guest/guest. Its node has a name, a cookie and a port mapper of its own."""

    name = "rabbitmq"
    packages = {"/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server"}
    port_names = ("port", "distribution", "epmd")
    # Debian's wrappers in /usr/sbin insist on user rabbitmq; these do not.
    bin_dir = pathlib.Path("/usr/lib/rabbitmq/bin")

    def env(self) -> dict[str, str]:
        """What the server and rabbitmqctl need to find this node and no other."""
        return {
            "HOME": str(self.home),  # of the cookie
            "ERL_EPMD_PORT": str(self.ports["epmd"]),
            "ERL_EPMD_ADDRESS": ADDRESS,
            "RABBITMQ_NODENAME": "watcher@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": ADDRESS,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.ports["distribution"]),
            "RABBITMQ_MNESIA_BASE": str(self.home / "data"),
            "RABBITMQ_LOG_BASE": str(self.home / "log"),
            "RABBITMQ_CONFIG_FILE": str(self.home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.home / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(self.home / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.home / "enabled_plugins"),
            "RABBITMQ_PID_FILE": str(self.home / "rabbitmq.pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.home / "generated"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ("-kernel inet_dist_use_interface {127,0,0,1}"),
            # The Erlang machine then takes the place of the shell that starts it,
            # so that its pid is the one we know.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def start(self, processes: Processes) -> None:
        """Start the port mapper and the node."""
        self.home.mkdir(parents=True, exist_ok=True)
        # Free space and memory are the machine's affair, not the broker's.
        (self.home / "rabbitmq.conf").write_text(
            "disk_free_limit.absolute = 50MB\nvm_memory_high_watermark.absolute = 1GB\n",
            encoding="utf-8",
        )
        (self.home / "enabled_plugins").write_text("[].\n", encoding="utf-8")
        epmd = ["epmd", "-address", ADDRESS, "-port", str(self.ports["epmd"])]
        processes.start("rabbitmq-epmd", epmd)
        wait_for("epmd", lambda: listening(self.ports["epmd"]), 20)
        processes.start(self.name, [self.bin_dir / "rabbitmq-server"], self.env(), cwd=self.home)

    def control(self, *words: str) -> str:
        """Run rabbitmqctl on this node."""
        return run([self.bin_dir / "rabbitmqctl", "--quiet", *words], self.env())

    def addresses(self) -> dict[str, str]:
        """oslo.messaging's URL of the virtual host "/"."""
        return {"transport_url": f"rabbit://guest:guest@{ADDRESS}:{self.port}/"}

    def process_names(self) -> tuple[str, ...]:
        """The port mapper goes last: the node says goodbye to it."""
        return (self.name, "rabbitmq-epmd")


INFLUXDB_CONF = """\
reporting-enabled = false
reporting-disabled = true
bind-address = "{address}:0"

[meta]
  dir = "{home}/meta"

[data]
  dir = "{home}/data"
  wal-dir = "{home}/wal"
  index-version = "tsi1"
  max-values-per-tag = 0
  max-series-per-database = 0
  query-log-enabled = false

[http]
  bind-address = "{address}:{port}"
  auth-enabled = {auth}
  log-enabled = false

[monitor]
  store-enabled = false
"""


class InfluxDB(Service):
    """InfluxDB 1.6.7 of Debian: InfluxQL on /query, line protocol on /write."""

    name = "influxdb"
    auth = False

    @property
    def url(self) -> str:
        """Where its HTTP API is."""
        return f"http://{ADDRESS}:{self.port}"

    @staticmethod
    def program() -> pathlib.Path:
        """The server, unpacked here: Debian's package would start one at once."""
        return HOME / "debian/usr/bin/influxd"

    def install(self) -> None:
        """Unpack Debian's package below the state folder."""
        if self.program().exists():
            return
        folder = HOME / "debian"
        folder.mkdir(parents=True, exist_ok=True)
        options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
        with step("unpack influxdb"):
            if "influxdb" not in run(["apt-cache", "search", "--names-only", "^influxdb$"]):
                run(["apt-get", "update", "-qq"])
            run(["apt-get", *options, "download", "influxdb"], cwd=folder)
            for package in folder.glob("influxdb_*.deb"):
                run(["dpkg", "-x", package, folder])
                package.unlink()

    def start(self, processes: Processes) -> None:
        """Write the configuration and start."""
        self.home.mkdir(parents=True, exist_ok=True)
        conf = self.home / "influxdb.conf"
        conf.write_text(
            INFLUXDB_CONF.format(
                address=ADDRESS, home=self.home, port=self.port, auth=str(self.auth).lower()
            ),
            encoding="utf-8",
        )
        processes.start(self.name, [self.program(), "run", "-config", conf], cwd=self.home)

    def ready(self) -> bool:
        """/ping answers 204 with or without a password."""
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as reply:
                return int(reply.status) == 204
        except OSError:
            return False

    def addresses(self) -> dict[str, str]:
        """The URL of the HTTP API."""
        return {"influxdb_url": self.url}


class InfluxDBAuth(InfluxDB):
    """A second InfluxDB, one that asks for a password."""

    name = "influxdb-auth"
    auth = True
    username = "watcher"
    password = "for-tests-only"

    def finish(self) -> None:
        """Make the administrator; the first user may be made without a password."""
        statement = (
            f"CREATE USER {self.username} WITH PASSWORD '{self.password}' WITH ALL PRIVILEGES"
        )
        data = urllib.parse.urlencode({"q": statement}).encode()
        try:
            urllib.request.urlopen(f"{self.url}/query", data=data, timeout=10).close()
        except urllib.error.HTTPError as error:
            if error.code != 401:  # there is one already
                raise

    def addresses(self) -> dict[str, str]:
        """The URL of the HTTP API and who may use it."""
        return {
            "influxdb_auth_url": self.url,
            "influxdb_auth_username": self.username,
            "influxdb_auth_password": self.password,
        }


SERVICES: dict[str, type[Service]] = {
    kind.name: kind for kind in (MariaDB, PostgreSQL, RabbitMQ, InfluxDB, InfluxDBAuth)
}


def _read(path: pathlib.Path) -> dict[str, dict[str, int]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def service(name: str) -> Service:
    """A service with the ports it keeps; SystemExit if there is no such service."""
    if name not in SERVICES:
        raise SystemExit(f"no service {name!r}; there are {', '.join(SERVICES)}")
    found = SERVICES[name]()
    found.ports = _read(HOME / "ports.json").get(name, {})
    return found


def _assign_ports(found: Service) -> None:
    """Keep the ports of last time, unless somebody else has taken one since."""
    path = HOME / "ports.json"
    known = _read(path)
    taken = {port for ports in known.values() for port in ports.values()}
    ports = known.get(found.name, {})
    if not ports or any(listening(port) for port in ports.values()):
        ports = {}
        for name in found.port_names:
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
    for name in SERVICES:
        if processes.pid(name):
            addresses.update(service(name).addresses())
    ADDRESSES.write_text(json.dumps(addresses, indent=1) + "\n", encoding="utf-8")
    return addresses


def up(names: tuple[str, ...] = DEFAULT) -> dict[str, str]:
    """Start these unless they run; return the addresses of all that run."""
    with locked("services"):
        processes = Processes(HOME)
        found = [service(name) for name in names]
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
    stop(tuple(name for name in SERVICES if Processes(HOME).pid(name)))
    ADDRESSES.unlink(missing_ok=True)
    if purge:
        for path in HOME.iterdir():
            if path.name == "debian":
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
