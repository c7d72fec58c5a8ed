# SPDX-License-Identifier: Apache-2.0
"""A real InfluxDB that holds the simulator's samples gives the simulator's answers."""

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import numpy as np
import pytest
import requests

from tests.integration.backends import Influx
from watcher.simulator.clock import Clock
from watcher.simulator.cloud import Cloud
from watcher.simulator.generate import generate
from watcher.simulator.influx import Influx as SimulatedInflux
from watcher.simulator.series import BOOT, SAMPLE_S, WAVE
from watcher.simulator.telegraf import NAMES, Signal, measurement
from watcher.simulator.world import World

NOW = 1_700_000_000
START = NOW - 1200

WINDOW = f"time >= {NOW - 600}s AND time < {NOW - 300}s"
COUNTER = (
    'SELECT mean("d") AS "v" FROM (SELECT non_negative_derivative("cpu_time",1s) AS "d" FROM'
    f' "libvirt_cpu" WHERE time >= {NOW - 610}s AND time < {NOW - 300}s GROUP BY *)'
    f' WHERE {WINDOW} GROUP BY "domain_name"'
)
QUERIES = [
    *(
        f'SELECT {word}("usage_idle") AS "v" FROM "cpu" WHERE "cpu" = \'cpu-total\' AND {WINDOW}'
        ' GROUP BY "host"'
        for word in ("mean", "count", "last", "spread", "sum")
    ),
    f'SELECT mean("used"), max("used"), min("used") FROM "mem" WHERE {WINDOW} GROUP BY "host"',
    f"SELECT mean(used) FROM mem WHERE {WINDOW}",
    f"SELECT mean(used) FROM mem WHERE {WINDOW} AND host =~ /^node-0[12]$/ GROUP BY *",
    f"SELECT mean(used) FROM mem WHERE {WINDOW} AND (host = 'node-1' OR host != 'node-2')"
    " GROUP BY host",
    f"SELECT mean(used) FROM mem WHERE {WINDOW} GROUP BY time(1m), host fill(none)",
    f'SELECT sum("v") AS "v" FROM (SELECT mean("value") AS "v" FROM "ipmi_sensor" WHERE {WINDOW}'
    f" AND unit = 'degrees_c' GROUP BY *) WHERE {WINDOW} GROUP BY \"host\"",
    COUNTER,
    f"SELECT last(rss) FROM libvirt_balloon WHERE {WINDOW} GROUP BY domain_name",
    f"SELECT mean(nosuchfield) FROM mem WHERE {WINDOW} GROUP BY host",
    f"SELECT mean(used) FROM nosuchmeasurement WHERE {WINDOW} GROUP BY host",
    f"SELECT mean(used) FROM mem WHERE {WINDOW} GROUP BY nosuchtag",
    "SELECT frobnicate(used) FROM mem",
    "SELECT mean(used FROM mem",
    "SHOW MEASUREMENTS",
    'SHOW TAG VALUES FROM "cpu" WITH KEY = "host"',
    'SHOW TAG KEYS FROM "libvirt_cpu"',
    'SHOW FIELD KEYS FROM "mem"',
    f"SELECT mean(used) FROM mem WHERE {WINDOW}; SELECT sum(used) FROM mem WHERE {WINDOW}",
]


def values(signal: Signal) -> Iterator[np.ndarray]:
    """The sample of every series at each moment from START to NOW."""
    phase = np.arange(signal.mean.size) * 2.4
    for number in range(START // SAMPLE_S, NOW // SAMPLE_S):
        if signal.counter:
            yield signal.mean * (number * SAMPLE_S - BOOT)
        else:
            yield signal.mean + signal.height * np.sin(phase + 2 * np.pi * number / WAVE)


def lines(world: World) -> Iterator[str]:
    """All samples in line protocol, seconds."""
    for name in NAMES:
        frame = measurement(name, world)
        assert frame is not None
        tags = [
            ",".join(f"{tag}={value}" for tag, value in zip(frame.tags, row, strict=True))
            for row in zip(*frame.tags.values(), strict=True)
        ]
        for field, signal in frame.fields.items():
            for step, column in enumerate(values(signal)):
                at = (START // SAMPLE_S + step) * SAMPLE_S
                yield from (
                    f"{name},{row} {field}={float(value)!r} {at}"
                    for row, value in zip(tags, column, strict=True)
                )


@pytest.fixture(scope="module")
def world() -> World:
    return generate(1, 4, 12)


def shape(result: dict[str, object]) -> object:
    """An answer with its figures rounded, as both should give it."""
    series = result.get("series", [])
    assert isinstance(series, list)
    return {
        "error": result.get("error"),
        "series": [
            {**one, "values": [[_rounded(value) for value in row] for row in one["values"]]}
            for one in series
        ],
    }


def _rounded(value: object) -> object:
    return float(f"{value:.6g}") if isinstance(value, float) else value


def test_every_query_is_answered_alike(world: World, influxdb: Influx) -> None:
    influxdb.write(lines(world))
    simulated = SimulatedInflux(Cloud(world, Clock(time=lambda: float(NOW))))
    differ = []
    for text in QUERIES:
        real = requests.get(
            f"{influxdb.url}/query", params={"q": text, "db": influxdb.database}, timeout=30
        )
        ours = ask(simulated, text)
        theirs = (real.status_code, real.json())
        if ours[0] != theirs[0]:
            differ.append((text, ours, theirs))
        elif ours[0] == 200:
            shapes = [[shape(one) for one in body["results"]] for _status, body in (ours, theirs)]
            if shapes[0] != shapes[1]:
                differ.append((text, *shapes))
    assert not differ, "\n".join(f"{text}\n  ours   {a}\n  theirs {b}" for text, a, b in differ)


def ask(simulated: SimulatedInflux, text: str) -> tuple[int, dict[str, list[dict[str, object]]]]:
    """The simulator's status and body."""
    statuses = []
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/query",
        "SCRIPT_NAME": "/influxdb",
        "QUERY_STRING": urlencode({"q": text, "db": "telegraf"}),
        "HTTP_HOST": "127.0.0.1",
        "wsgi.url_scheme": "http",
    }
    body = b"".join(simulated(environ, lambda status, _headers: statuses.append(status)))
    return int(statuses[0].split()[0]), json.loads(body)
