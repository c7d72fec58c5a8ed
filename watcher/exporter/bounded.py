# SPDX-License-Identifier: Apache-2.0
"""Questions that may hang, asked without hanging."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from watcher.core.errors import ServiceDown

T = TypeVar("T")


class Bounded(Generic[T]):
    """Asks a question in a thread of its own, once at a time, and waits so long for its answer.

    The thread keeps no process from ending. Who asks while the question is still open waits for
    the same answer, so that what hangs is asked once.
    """

    def __init__(self, name: str, question: Callable[[], T], limit_s: float) -> None:
        self._name = name
        self._question = question
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._open: Future[T] | None = None

    def ask(self) -> T:
        """The answer; raises what the question raises, and ServiceDown when it is late."""
        with self._lock:
            if self._open is None or self._open.done():
                self._open = Future()
                threading.Thread(
                    target=self._answer, args=(self._open,), name=self._name, daemon=True
                ).start()
            answer = self._open
        try:
            return answer.result(self._limit_s)
        except TimeoutError as error:
            raise ServiceDown(f"no answer within {self._limit_s:g} s") from error

    def _answer(self, answer: "Future[T]") -> None:
        try:
            answer.set_result(self._question())
        except Exception as error:  # noqa: BLE001 - it is raised again where it was asked
            answer.set_exception(error)
