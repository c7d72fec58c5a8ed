# SPDX-License-Identifier: Apache-2.0
"""What tests make go wrong: answers, and moves."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from watcher.core import errors

OUTCOMES = ("refused", "error", "stuck", "error-after-move")


@dataclass(slots=True)
class AnswerFault:
    """A wrong answer to the requests it matches.

    :ivar service: identity, compute, placement, influxdb, block-storage,
        baremetal; None for all of them
    :ivar method: the HTTP method; None for any
    :ivar path: a regular expression searched in the path below the service
    :ivar status: with ``body``, the answer instead of the real one
    :ivar delay_s: wall seconds before the answer
    :ivar cut: the connection is closed without an answer
    :ivar after: the request is carried out first, then its answer is lost or replaced
    :ivar skip: how many matching requests pass untouched first
    :ivar times: how many requests are hit; None for all that follow
    """

    service: str | None = None
    method: str | None = None
    path: str = ""
    status: int | None = None
    body: Mapping[str, Any] | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: bool = False
    after: bool = False
    skip: int = 0
    times: int | None = 1
    hits: int = 0

    def matches(self, service: str, method: str, path: str) -> bool:
        """Whether a request is meant, and the fault has not been used up."""
        return (
            self.service in (None, service)
            and self.method in (None, method)
            and self.times != 0
            and re.search(self.path, path) is not None
        )


@dataclass(slots=True)
class MoveFault:
    """What becomes of the next moves of servers, of volumes, and of the next changes of power.

    :ivar outcome: ``refused`` by the destination's pre-check, ``error`` at the end with the
        server back on its source, ``stuck`` (runs until aborted), or ``error-after-move`` (the
        record says error although the server arrived)
    :ivar server: uuid of the server, volume or bare metal node meant; None for any
    :ivar text: the error text Nova gives
    """

    outcome: str
    server: str | None = None
    text: str = "Migration pre-check error: simulated."
    times: int | None = 1


class Faults:
    """The faults in force. Whoever uses it holds the cloud's lock."""

    def __init__(self) -> None:
        self._answers: list[AnswerFault] = []
        self._moves: list[MoveFault] = []
        self.hidden: set[str] = set()

    def add(self, **wanted: Any) -> AnswerFault:
        """Answer requests wrongly; takes the fields of :class:`AnswerFault`, and returns it.

        :raises TypeError: for a field that does not exist
        """
        fault = AnswerFault(**wanted)
        self._answers.append(fault)
        return fault

    def move(self, outcome: str, **wanted: Any) -> MoveFault:
        """Let moves fail; takes the fields of :class:`MoveFault`, and returns it.

        :raises errors.Invalid: for an unknown outcome
        """
        if outcome not in OUTCOMES:
            raise errors.Invalid(f"Unknown outcome {outcome!r}: use one of {', '.join(OUTCOMES)}")
        fault = MoveFault(outcome, **wanted)
        self._moves.append(fault)
        return fault

    def hide(self, measurement: str) -> None:
        """Let the metric history have no such measurement."""
        self.hidden.add(measurement)

    def clear(self) -> None:
        """Nothing goes wrong from now on."""
        self._answers.clear()
        self._moves.clear()
        self.hidden.clear()

    def take_answer(self, service: str, method: str, path: str) -> AnswerFault | None:
        """The fault that hits this request, counted down."""
        for fault in self._answers:
            if fault.matches(service, method, path):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.hits += 1
                fault.times = None if fault.times is None else fault.times - 1
                return fault
        return None

    def take_move(self, server: str) -> MoveFault | None:
        """The fault that hits this move, counted down."""
        for fault in self._moves:
            if fault.server in (None, server) and fault.times != 0:
                fault.times = None if fault.times is None else fault.times - 1
                return fault
        return None
