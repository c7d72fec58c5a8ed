# SPDX-License-Identifier: Apache-2.0
"""The virtual environment that tools/demo and tools/test run in; standard library only."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"


def need_python() -> None:
    """Exit with one line unless this Python is new enough."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file meets older ones
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")


def run(*command: str | Path, **keywords: object) -> None:
    """Run a command; its output is shown only when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **keywords
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{' '.join(words)}: exit status {done.returncode}")


def environment(*extras: str) -> Path:
    """The interpreter of .venv with the package (editable) and these extras installed.

    Installs only when requirements changed since the last time.
    """
    need_python()
    wanted = hashlib.sha256(
        b"".join((ROOT / name).read_bytes() for name in ("requirements.txt", "setup.cfg"))
    ).hexdigest()
    marks = [VENV / f".installed-{extra}-{wanted[:16]}" for extra in extras]
    if PYTHON.exists() and all(mark.exists() for mark in marks):
        return PYTHON
    if not PYTHON.exists():
        _make_venv()
    print(f"installing watcher[{','.join(extras)}] into {VENV.relative_to(ROOT)} ...", flush=True)
    run(PYTHON, "-m", "pip", "install", "-q", "-e", f"{ROOT}[{','.join(extras)}]", cwd=ROOT)
    for mark in marks:
        mark.touch()
    return PYTHON


def _make_venv() -> None:
    print(f"making {VENV.relative_to(ROOT)} ...", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", VENV], capture_output=True, check=False)
    if made.returncode:  # Debian keeps ensurepip in a package of its own
        shutil.rmtree(VENV, ignore_errors=True)
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            sys.exit("python3 -m venv does not work here; install the package python3-venv")
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv")
        run(sys.executable, "-m", "venv", VENV)
