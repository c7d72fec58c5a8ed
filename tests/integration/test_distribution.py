# SPDX-License-Identifier: Apache-2.0
"""What users install: built from a tree without git, installed in empty environments, and run.

The whole trip of the demo (simulated cloud, audit by the real client, plan executed) is made by the
installed wheel with the newest libraries its lock names, and with the oldest that its bounds allow.
Packages come from the registry that pip is configured for.
"""

import configparser
import pathlib
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
from packaging.requirements import Requirement

ROOT = pathlib.Path(__file__).resolve().parents[2]
UV = pathlib.Path(sys.executable).parent / "uv"


def run(*words, **more):
    """The output of a command that must succeed."""
    done = subprocess.run(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
        **more,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return done.stdout


def kept_by_git(folder):
    """The project's files below a folder: what git keeps, or would."""
    words = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", folder)
    names = run(*words, cwd=ROOT).split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the archive and the wheel that is built from it, and the archive unpacked."""
    folder = tmp_path_factory.mktemp("distribution")
    source = folder / "source"
    source.mkdir()
    for path in kept_by_git("."):
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    run(UV, "build", "-q", "--out-dir", folder / "dist", source)
    with tarfile.open(next((folder / "dist").glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return folder


def wheel(folder):
    """The wheel of the built folder."""
    return next((folder / "dist").glob("*.whl"))


def contents(folder):
    """The files of the wheel."""
    with zipfile.ZipFile(wheel(folder)) as archive:
        return set(archive.namelist())


def test_the_archive_holds_the_project_and_the_wheel_the_package(built):
    (unpacked,) = built.glob("watcher-*")
    kept = {path.name for path in unpacked.iterdir()}
    assert {"LICENSE", "README.rst", "tests", "doc", "etc", "devstack", "tools"} <= kept
    assert {"requirements.txt", "requirements.lock", "releasenotes"} <= kept
    ours = {f"watcher/{path.relative_to(ROOT / 'watcher')}" for path in kept_by_git("watcher")}
    packed = contents(built)
    assert ours <= packed
    assert {name.split("/")[0] for name in packed if not name.startswith("watcher-")} == {
        "watcher"
    }


def test_the_wheel_is_the_same_from_the_tree_and_from_the_archive(built):
    run(UV, "build", "-q", "--wheel", "--out-dir", built / "direct", built / "source")
    (direct,) = (built / "direct").glob("*.whl")
    with zipfile.ZipFile(direct) as archive:
        assert set(archive.namelist()) == contents(built)


def test_the_lock_answers_every_requirement():
    locked = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        if "==" in line and not line.startswith(" "):
            entry = Requirement(line.rstrip("\\ "))
            locked[entry.name.lower().replace("_", "-")] = next(iter(entry.specifier)).version
    wanted = (ROOT / "requirements.txt").read_text().splitlines()
    for requirement in map(Requirement, wanted):
        version = locked[requirement.name.lower().replace("_", "-").replace(".", "-")]
        assert requirement.specifier.contains(version), requirement


def environment(built, name, *steps):
    """An empty virtual environment with the wheel and the client in it; its bin folder."""
    venv = built / name
    run(UV, "venv", "-q", "--python", sys.executable, venv)
    pip = (UV, "pip", "install", "-q", "--link-mode", "copy", "--python", venv / "bin/python")
    for step in steps:
        run(*pip, *step)
    run(UV, "pip", "check", "--python", venv / "bin/python")
    return venv / "bin"


@pytest.fixture(scope="module", params=["locked", "lowest"])
def installed(request, built):
    """The bin folder of an environment made from the lock, or of the lowest versions allowed."""
    extras = f"{wheel(built)}[mysql,postgresql]"
    client = f"{wheel(built)}[demo]"
    if request.param == "locked":
        lock = ("--require-hashes", "-r", ROOT / "requirements.lock")
        return environment(built, request.param, lock, ("--no-deps", wheel(built)), (client,))
    lowest = ("--resolution", "lowest-direct", extras)
    return environment(built, request.param, lowest, (client,))


def test_each_command_answers(installed):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    scripts = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    names = [line.partition("=")[0].strip() for line in scripts]
    assert "watcher-api" in names
    for name in names:
        assert "usage:" in run(installed / name, "--help", cwd=installed).lower(), name


def test_every_module_can_be_imported(installed):
    program = (
        "import importlib, pkgutil, watcher\n"
        "for one in pkgutil.walk_packages(watcher.__path__, 'watcher.'):\n"
        "    if not one.name.endswith(('__main__', 'migrations.env', 'wsgi.api')):\n"
        "        importlib.import_module(one.name)\n"
        "print(watcher.__file__)\n"
    )
    said = run(installed / "python", "-W", "ignore", "-c", program, cwd=installed)
    assert str(installed.parent) in said


def test_samples_of_configuration_and_policy_are_made(installed, tmp_path):
    run(
        installed / "oslo-config-generator",
        *("--namespace", "watcher", "--output-file", tmp_path / "watcher.conf"),
    )
    run(
        installed / "oslopolicy-sample-generator",
        *("--namespace", "watcher", "--output-file", tmp_path / "policy.yaml"),
    )
    assert "[watcher_decision_engine]" in (tmp_path / "watcher.conf").read_text()
    assert '"audit:create"' in (tmp_path / "policy.yaml").read_text()


def test_the_whole_trip_is_made(installed, built):
    (unpacked,) = built.glob("watcher-*")
    words = ("tools/demo_run.py", "--hosts", "8", "--instances", "40")
    said = run(installed / "python", "-W", "ignore", *words, cwd=unpacked)
    assert "SUCCEEDED" in said
    assert "Done in" in said
