# SPDX-License-Identifier: Apache-2.0
"""The demo itself; tools/demo runs it inside .venv."""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from watcher.core.cluster import Bools, Cluster
from watcher.simulator.columns import to_cluster
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator, Urls

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
OUTPUT = ROOT / "demo"
PATIENCE_S = 120
"""A busy machine takes a while to start Watcher."""

CONFIGURATION = """
[DEFAULT]
transport_url = fake://
state_path = {folder}
log_file = {folder}/watcher.log
[api]
port = {port}
[database]
connection = sqlite:///{folder}/watcher.sqlite
[keystone_authtoken]
www_authenticate_uri = {identity}
{auth}
[watcher_clients_auth]
{auth}
[nova]
migration_interval = 0.5
[watcher_datasources]
datasources = influxdb
[influxdb]
url = {influxdb}
database = telegraf
"""

AUTH = """auth_type = password
auth_url = {identity}
username = watcher
password = watcher
project_name = service
user_domain_name = Default
project_domain_name = Default"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--hosts", type=int, default=24)
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    begun = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="watcher-demo-"))
    try:
        port = free_port()
        world = generate(seed=options.seed, hosts=options.hosts, instances=options.instances)
        say(f"A simulated cloud of {options.hosts} hosts and {options.instances} instances")
        simulator = Simulator(world, speed=20, infra_optim_url=f"http://127.0.0.1:{port}")
        urls = simulator.start()
        try:
            with watcher_running(folder, port, urls):
                client = Client(environment(urls))
                trip(client, simulator, folder)
                say(f"Done in {time.monotonic() - begun:.0f} s. Page: {OUTPUT / 'report.html'}")
                if options.keep:
                    keep(client)
        finally:
            simulator.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def say(text: str) -> None:
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(urls: Urls) -> dict[str, str]:
    """What the client needs to know, and nothing of the user's own cloud."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
    return {
        **kept,
        "OS_AUTH_URL": urls.identity,
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "admin",
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_INFRA_OPTIM_API_VERSION": "1.7",
        "PYTHONWARNINGS": "ignore",
        "CLIFF_MAX_TERM_WIDTH": "110",
    }


@contextmanager
def watcher_running(folder: Path, port: int, urls: Urls) -> Iterator[None]:
    """watcher-standalone: API, decision engine and applier in one process."""
    auth = AUTH.format(identity=urls.identity)
    text = CONFIGURATION.format(
        folder=folder, port=port, auth=auth, identity=urls.identity, influxdb=urls.influxdb
    )
    file = folder / "watcher.conf"
    file.write_text(text)
    say("Watcher: API, decision engine and applier in one process")
    command = [BIN / "watcher-standalone", "--config-file", file]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_api(process, port, folder / "watcher.log")
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for_api(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    url = f"http://127.0.0.1:{port}/"
    pause = threading.Event()
    for _ in range(PATIENCE_S * 10):
        if process.poll() is not None:
            sys.exit(
                f"watcher-standalone ended: {log.read_text()[-3000:] if log.exists() else ''}"
            )
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            pause.wait(0.1)
        else:
            return
    sys.exit(f"watcher-standalone does not answer on {url} within {PATIENCE_S} s")


class Client:
    """The real command line client, as an operator types it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = dict(environ)

    def show(self, words: str) -> None:
        """Run a command and let its output be seen."""
        print(f"\n$ openstack optimize {words}", flush=True)
        self._run(words, capture=False)

    def ask(self, words: str) -> Any:
        """Run a command and read its answer."""
        return json.loads(self._run(f"{words} -f json", capture=True))

    def _run(self, words: str, *, capture: bool) -> str:
        done = subprocess.run(
            [BIN / "openstack", "optimize", *words.split()],
            env=self.environ,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"openstack optimize {words}: {done.stderr}")
        return done.stdout or ""

    def wait(self, kind: str, ident: str, ends: tuple[str, ...]) -> Any:
        """Ask until the thing has come to an end."""
        pause = threading.Event()
        last = ""
        for _ in range(120):
            row = self.ask(f"{kind} show {ident}")
            if row["State"] != last:
                last = row["State"]
                print(f"  {kind} is {last}", flush=True)
            if kind == "actionplan" and last == "ONGOING":
                self._progress(ident)
            if last in ends:
                return row
            pause.wait(0.5)
        sys.exit(f"{kind} {ident} is still {last}")

    def _progress(self, plan: str) -> None:
        """How many actions have ended by now."""
        actions = self.ask(f"action list --action-plan {plan} --limit 0")
        ended = sum(action["State"] not in ("PENDING", "ONGOING") for action in actions)
        print(f"  {ended} of {len(actions)} actions have ended", flush=True)


def trip(client: Client, simulator: Simulator, folder: Path) -> None:
    """The main job: ask, read, start, look at what became of it."""
    before = seen(simulator)
    say(f"{in_use(before)} of {len(before.hosts)} hosts are in use. An audit:")
    client.show(
        "audit create --goal server_consolidation --strategy vm_workload_consolidation --name demo"
    )
    audit = client.wait("audit", "demo", ("SUCCEEDED", "FAILED", "CANCELLED"))
    if audit["State"] != "SUCCEEDED":
        sys.exit(f"the audit is {audit['State']}: {audit.get('Status Message')}")
    say("What it recommends")
    client.show(f"actionplan list --audit {audit['UUID']}")
    plan = client.ask(f"actionplan list --audit {audit['UUID']}")[0]["UUID"]
    client.show(f"actionplan show {plan}")
    actions = client.ask(f"action list --action-plan {plan} --detail --limit 0")
    count = sum(action["Action"] == "migrate" for action in actions)
    say(f"{len(actions)} actions, {count} of them migrations. Executing them:")
    client.show(f"actionplan start {plan} -c UUID -c State")
    row = client.wait("actionplan", plan, ("SUCCEEDED", "FAILED", "CANCELLED"))
    conclude(row, before, seen(simulator))
    report(folder, plan)
    if row["State"] != "SUCCEEDED":
        sys.exit(f"the plan is {row['State']}: {row.get('Status Message')}")


def seen(simulator: Simulator) -> Cluster:
    """The cloud itself, not what Watcher thinks of it."""
    with simulator.cloud.lock:
        return to_cluster(simulator.world)


def in_use(cluster: Cluster, among: Bools | None = None) -> int:
    """How many hosts have an instance; ``among`` these (hosts), or among all."""
    busy = np.isin(np.arange(len(cluster.hosts)), cluster.instances.host)
    return int((busy if among is None else busy & among).sum())


def conclude(row: Mapping[str, Any], before: Cluster, after: Cluster) -> None:
    indicators = {one["name"]: one["value"] for one in row["Efficacy indicators"]}
    # A host that an operator disabled is not Watcher's to empty, nor to count as released.
    ours = before.hosts.enabled
    figures = {
        "enabled hosts in use before": str(in_use(before, ours)),
        "enabled hosts in use after": str(in_use(after, ours)),
        "lower bound of hosts in use": f"{indicators['hosts_in_use_lower_bound']:.0f}",
        "migrations": f"{indicators['instance_migrations_count']:.0f}",
        "plan": str(row["State"]),
    }
    say("Before and after, as the cloud itself tells it")
    for label, value in figures.items():
        print(f"  {label:<30}{value:>10}")


def report(folder: Path, plan: str) -> None:
    """The plan's report, as its page and as the picture of it."""
    OUTPUT.mkdir(exist_ok=True)
    for form in ("html", "svg"):
        file = OUTPUT / f"report.{form}"
        command = [BIN / "watcher-report", "--config-file", folder / "watcher.conf", plan]
        subprocess.run([*command, "--format", form, "--output", file], check=True)


def keep(client: Client) -> None:
    say("Left running until Ctrl-C. To point a client at it:")
    for name in sorted(client.environ):
        if name.startswith("OS_"):
            print(f"export {name}='{client.environ[name]}'")
    print(f"{BIN / 'openstack'} optimize goal list", flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    sys.exit(main())
