# SPDX-License-Identifier: Apache-2.0
"""Samples for a real Prometheus, written as remote write does.

https://prometheus.io/docs/specs/prw/remote_write_spec/ : a protobuf message in snappy's block
format. The message has three kinds of fields and snappy allows a body of literals only, so both are
written here and need no library.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import requests

Sample = tuple[float, float]
"""Time in seconds, value."""


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes((*out, number))


def _field(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _sample(at: float, value: float) -> bytes:
    return b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(round(at * 1000))


def _series(labels: Mapping[str, str], samples: Iterable[Sample]) -> bytes:
    pairs = (
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in sorted(labels.items())
    )
    return b"".join((*pairs, *(_field(2, _sample(*one)) for one in samples)))


def _snappy(data: bytes) -> Iterator[bytes]:
    yield _varint(len(data))
    for begin in range(0, len(data), 65536):
        piece = data[begin : begin + 65536]
        yield b"\xf4" + struct.pack("<H", len(piece) - 1) + piece


@dataclass(frozen=True)
class Store:
    """A Prometheus; every series written here has the label ``test`` of this store."""

    url: str
    test: str

    def write(self, series: Iterable[tuple[str, Mapping[str, str], Iterable[Sample]]]) -> None:
        """Write samples of (metric, labels, samples); a series' samples in the order of time."""
        message = b"".join(
            _field(1, _series({"__name__": name, "test": self.test, **labels}, samples))
            for name, labels, samples in series
        )
        reply = requests.post(
            f"{self.url}/api/v1/write",
            data=b"".join(_snappy(message)),
            headers={
                "Content-Encoding": "snappy",
                "Content-Type": "application/x-protobuf",
                "X-Prometheus-Remote-Write-Version": "0.1.0",
            },
            timeout=60,
        )
        assert reply.status_code == 204, reply.text
