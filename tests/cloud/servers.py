# SPDX-License-Identifier: Apache-2.0
"""The servers that tools/services runs: how each is installed, started and reached."""

from __future__ import annotations

import os
import pathlib
import shutil
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping

from tests.cloud.process import (
    ADDRESS,
    STATE,
    Processes,
    apt_install,
    listening,
    run,
    step,
    wait_for,
)

HOME = STATE / "services"


class Service(ABC):
    """One server: what it needs, how it is started, and where it is then."""

    name = ""
    packages: Mapping[str, str] = {}  # program -> Debian package
    port_names: tuple[str, ...] = ("port",)
    requires: tuple[str, ...] = ()  # services that must run before it
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

    @abstractmethod
    def start(self, processes: Processes) -> None:
        """Make the data folder if there is none, and start."""

    def ready(self) -> bool:
        """Does it serve?"""
        return listening(self.port)

    def finish(self) -> None:  # noqa: B027 - a hook
        """Do what needs a running server, once it is ready."""

    @abstractmethod
    def addresses(self) -> dict[str, str]:
        """What it adds to services.json."""

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

    def create_database(self, name: str) -> None:
        """Make a database if there is none of this name."""
        socket = [f"--host={ADDRESS}", f"--port={self.port}", "--username=postgres"]
        program = str(sorted(self.bin_dir.glob("*/bin/psql"))[-1])
        there = "SELECT count(*) FROM pg_database WHERE datname = '{}'"
        found = run([program, *socket, "--no-psqlrc", "-Atc", there.format(name)])
        if found.strip() == "0":
            run([program, *socket, "--no-psqlrc", "-c", f"CREATE DATABASE {name}"])

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


def unpack(package: str, program: pathlib.Path) -> None:
    """Have a program of a Debian package that, installed, would start a server at once."""
    if program.exists():
        return
    folder = HOME / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    with step(f"unpack {package}"):
        if package not in run(["apt-cache", "search", "--names-only", f"^{package}$"]):
            run(["apt-get", "update", "-qq"])
        run(["apt-get", *options, "download", package], cwd=folder)
        for path in folder.glob(f"{package}_*.deb"):
            run(["dpkg", "-x", path, folder])
            path.unlink()


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
        unpack("influxdb", self.program())

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
