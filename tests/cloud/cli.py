# SPDX-License-Identifier: Apache-2.0
"""A real OpenStack over fake hypervisors, for tests.

    tools/cloud install          a venv with OpenStack from PyPI, as locked
    tools/cloud install tempest  ... one with Tempest and Watcher's plug-in to it
    tools/cloud install horizon  ... one with Horizon and Watcher's plug-in to it
    tools/cloud install chromium a browser, from Debian's packages
    tools/cloud install apache   a web server, the same
    tools/cloud up               databases, configuration, processes; idempotent
    tools/cloud seed [N]         flavors, an image, aggregates, N servers
    tools/cloud status           processes, their memory, what Nova says
    tools/cloud kill NAME...     as a host that loses its power; `up` restores it
    tools/cloud down             stop it (the data stays: `up` resumes with the guests)
    tools/cloud down --purge     ... and drop all but the venv

It runs on the MariaDB and RabbitMQ of tools/services, which `up` starts and `down`
leaves running. Settings are environment variables, see tests/cloud/settings.py.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import sys

from tests import horizon, tempest
from tests.cloud import servers, services
from tests.cloud.process import (
    ROOT,
    Command,
    Processes,
    apt_install,
    family,
    locked,
    run,
    say,
    step,
)
from tests.cloud.settings import DATA, ETC, HERE, HOME, STORED, VENV, load

PYTHON = VENV / "bin/python"


def locked_venv(venv: pathlib.Path, lock: pathlib.Path) -> pathlib.Path:
    """A venv with what a lock file lists, made anew when the list changed; its site-packages."""
    text = lock.read_text(encoding="utf-8")
    done, python = venv / "installed", venv / "bin/python"
    if not done.exists() or done.read_text(encoding="utf-8") != text:
        with step("venv"):
            run([sys.executable, "-m", "venv", venv])
        with step("packages from PyPI"):
            # The lock is complete, so there is nothing to resolve.
            pip: Command = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-compile"]
            run([*pip, "-r", lock])
        with step("compile"):
            run([python, "-m", "compileall", "-q", "-j", "0", "-x", "/tests?/", venv / "lib"])
        done.write_text(text, encoding="utf-8")
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return pathlib.Path(run([python, "-c", program]).strip())


def install() -> None:
    """Make the venv, and let it know the drivers in plugins/."""
    site = locked_venv(VENV, HERE / "requirements.lock")
    # On sys.path for every process of the venv; the dist-info beside the package
    # makes its Neutron entry point known.
    (site / "fakecloud.pth").write_text(f"{HERE / 'plugins'}\n", encoding="utf-8")
    # Nova only loads drivers from below nova.virt.
    (site / "nova/virt/fakecloud.py").write_text(
        "from fakecloud.compute import FakeCloudDriver  # noqa: F401\n", encoding="utf-8"
    )


def install_tempest() -> None:
    """Tempest, in a venv of its own."""
    locked_venv(tempest.VENV, tempest.LOCK)


def install_horizon() -> None:
    """Horizon, in a venv of its own, ready to be served."""
    site_packages = locked_venv(horizon.VENV, horizon.LOCK)
    with step("panels, settings, static files"):
        horizon.make_ready(site_packages)


def install_chromium() -> None:
    """The browser, and the driver that goes with it."""
    if not (shutil.which("chromium") and shutil.which("chromedriver")):
        with step("chromium from Debian"):
            apt_install(["chromium", "chromium-driver"])


def install_apache() -> None:
    """The web server's program and modules, without the service of the system."""
    if not shutil.which("apache2"):
        with step("apache from Debian"):
            apt_install(["apache2-bin"])


INSTALLERS = {
    "": install,
    "tempest": install_tempest,
    "horizon": install_horizon,
    "chromium": install_chromium,
    "apache": install_apache,
}


def status() -> int:
    """Print processes and what Nova says; 1 unless everything runs."""
    from tests.cloud.api import Cloud

    settings = load()
    processes = Processes(HOME)
    total_mb = 0.0
    for name in processes.names():
        memory_mb = processes.memory_mb(name)
        total_mb += memory_mb
        url = settings.url(name[:-4]) if name.endswith("-api") else ""
        state = "running" if processes.pid(name) else "DEAD"
        say(f"{name:<22} {state:<8} {memory_mb:6.0f} MiB  {url}")
    say(f"{'together':<31} {total_mb:6.0f} MiB")
    if not processes.names() or processes.dead():
        return 1
    cloud = Cloud(settings)
    up = [row for row in cloud.services() if row["state"] == "up"]
    say(f"{len(up)} of {settings.computes} computes up, servers {cloud.count_by_status()}")
    return 0


def kill(names: list[str]) -> None:
    """Let these die at once."""
    processes = Processes(HOME)
    for name in names:
        for pid in family(processes.pid(name) or -1):
            os.kill(pid, signal.SIGKILL)


def down(purge: bool) -> None:
    """Stop the cloud's processes; with PURGE drop everything but the venv."""
    with locked("cloud"):
        processes = Processes(HOME)
        with step("stop the cloud"):
            processes.stop(processes.names())
        if not purge:
            return
        with step("drop databases, configuration, logs"):
            if PYTHON.exists() and Processes(servers.HOME).pid("mariadb"):
                database = services.service("mariadb").addresses()["database_mysql"]
                program = f"from tests.cloud import schema; schema.drop_databases({database!r})"
                run([PYTHON, "-c", program], cwd=ROOT)
            for path in (ETC, DATA, HOME / "log", HOME / "run"):
                shutil.rmtree(path, ignore_errors=True)
            for path in (STORED, HOME / "openrc"):
                path.unlink(missing_ok=True)


def in_venv(arguments: list[str]) -> None:
    """Run this command again in the cloud's venv, which has the clients."""
    if pathlib.Path(sys.prefix) == VENV:
        return
    if not (VENV / "installed").exists():
        raise SystemExit("run `tools/cloud install` first")
    tool = str(ROOT / "tools/cloud")
    os.execv(PYTHON, [str(PYTHON), "-W", "ignore", tool, *arguments])


def main(arguments: list[str]) -> int:
    """Run one verb of ``tools/cloud``; return the exit status."""
    verb, *rest = arguments or ["help"]
    if verb in ("up", "seed", "status"):
        in_venv(arguments)
    if verb == "install" and " ".join(rest) in INSTALLERS:
        INSTALLERS[" ".join(rest)]()
    elif verb == "up":
        from tests.cloud.boot import Boot

        with locked("cloud"):
            Boot(load()).up()
    elif verb == "seed":
        from tests.cloud.seed import seed

        seed(int(rest[0]) if rest else load().servers)
    elif verb == "status":
        return status()
    elif verb == "kill" and rest:
        kill(rest)
    elif verb == "down":
        down("--purge" in rest)
    else:
        say(str(__doc__).strip())
        return 0 if verb in ("help", "--help", "-h") else 2
    return 0
