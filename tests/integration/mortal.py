# SPDX-License-Identifier: Apache-2.0
"""An applier in a process of its own that is killed at a chosen moment.

The moments are counted by hooks on libraries, so that the product knows nothing of it: before and
after each transaction that is committed, and before and after each request that the cloud gets.
"""

from __future__ import annotations

import os
import signal
import threading
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from keystoneauth1.session import Session as Cloud
from oslo_config import cfg
from sqlalchemy import event
from sqlalchemy.orm import Session

from watcher import config, plugins
from watcher.applier import service
from watcher.cmd.applier import build
from watcher.cmd.daemon import Wires

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__, "pytest"])
"""The first process imports once what a life needs, and forks for each life."""
list(config.groups())
plugins.actions()


def born(conf: Path, moments: Path, die_at: int, linger_s: float = 0.0) -> BaseProcess:
    """Start an applier that dies at its ``die_at``-th moment (0: lives until it is ended).

    With ``linger_s`` it is killed so much later, whatever it is at then.
    """
    arguments = (str(conf), str(moments), die_at, linger_s)
    process = CONTEXT.Process(target=_live, args=arguments, daemon=True)
    process.start()
    return process


def _live(conf_file: str, moments_file: str, die_at: int, linger_s: float) -> None:
    moments = os.open(moments_file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    lock, count = threading.Lock(), 0

    def end() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def moment() -> None:
        nonlocal count
        with lock:
            count += 1
            os.write(moments, b".")
            if count == die_at and linger_s:
                threading.Timer(linger_s, end).start()
            elif count == die_at:
                end()

    conf = cfg.CONF
    config.load(conf, ["--config-file", conf_file])
    service.LOOK_S = 0.2
    applier = build(Wires.connect(conf))
    _count(moment)
    applier.start()
    threading.Event().wait()


def _count(moment: Any) -> None:
    event.listen(Session, "before_commit", lambda _session: moment())
    event.listen(Session, "after_commit", lambda _session: moment())
    request = Cloud.request

    def counted(self: Cloud, url: str, method: str, *arguments: Any, **more: Any) -> Any:
        moment()
        answer = request(self, url, method, *arguments, **more)
        moment()
        return answer

    Cloud.request = counted
