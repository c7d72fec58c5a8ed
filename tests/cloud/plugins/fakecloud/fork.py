# SPDX-License-Identifier: Apache-2.0
"""Run several programs after importing once what they share.

    python -m fakecloud.fork [--config-file=FILE] MODULE... < jobs.json

A job is a JSON object: ``call`` ("module:function"), ``argv``, ``env``, and the
``log`` that its output is appended to. Jobs run in order, each in a fork of this
process, and the first that fails ends the row with its exit status. With ``detach``
a job becomes a process that leads a session and is not waited for; with ``until`` the
next job starts only when its log has this text, or after ten seconds. The pids of the
jobs are printed as one JSON list. FILE is read before the MODULEs are imported, for
those that look into oslo.config while being imported (the spacing of Nova's periodic
tasks is decided there).

Nova takes some six seconds of CPU time to import and 130 MiB to hold. A fork costs
neither, so this starts a dozen of its processes about as fast as one.
"""

import gc
import importlib
import json
import os
import sys
import threading


def child(job):
    """In the fork: become what ``CALL ARGV... >>LOG 2>&1`` would be."""
    os.setsid()
    log = os.open(job["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(job.get("env", {}))
    module, _, function = job["call"].partition(":")
    sys.argv = [job["program"], *job["argv"]]
    try:
        import setproctitle
    except ImportError:
        pass
    else:
        setproctitle.setproctitle(" ".join(sys.argv))
    sys.exit(getattr(importlib.import_module(module), function)())


def wait_for_log(job, size, seconds=10):
    """Wait until what a job has written since its log had this size holds a text."""
    tick = threading.Event()
    for _ in range(seconds * 10):
        with open(job["log"], encoding="utf-8", errors="replace") as log:
            log.seek(size)
            if job["until"] in log.read():
                return
        tick.wait(0.1)


def main():
    """Run the jobs."""
    config = [word for word in sys.argv[1:] if word.startswith("--config-file=")]
    modules = [word for word in sys.argv[1:] if word not in config]
    jobs = json.load(sys.stdin)
    sys.argv = sys.argv[:1]  # Nova looks into it while being imported
    if config:
        from oslo_config import cfg

        cfg.CONF(config)
    for module in modules:
        importlib.import_module(module)
    if config:
        cfg.CONF.reset()  # each job reads its own
    gc.collect()
    gc.freeze()  # leaves more pages shared with the forks
    pids = []
    for job in jobs:
        with open(job["log"], "ab") as log:
            size = log.tell()
        pid = os.fork()
        if pid == 0:
            child(job)
        pids.append(pid)
        if "until" in job:
            wait_for_log(job, size)
        if not job.get("detach"):
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            if code:
                sys.exit(code)
    print(json.dumps(pids))


if __name__ == "__main__":
    main()
