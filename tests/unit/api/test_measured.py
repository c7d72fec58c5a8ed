# SPDX-License-Identifier: Apache-2.0
"""Every answer is measured, under labels that no stranger can choose."""

import pytest

from tests.telemetry import number
from watcher.api.measured import ROUTE, Measured

COUNT = "watcher_api_request_duration_seconds_count"


def answers(environ, start_response):
    if environ["PATH_INFO"] == "/found":
        environ[ROUTE] = "/v1/audits/{id}"
    start_response("404 Not Found" if "x" in environ["PATH_INFO"] else "200 OK", [])
    return [b"body"]


@pytest.mark.parametrize(
    ("path", "method", "labels"),
    [
        ("/found", "GET", {"route": "/v1/audits/{id}", "method": "GET", "status": "200"}),
        ("/x/1", "PATCH", {"route": "none", "method": "PATCH", "status": "404"}),
        ("/x/2", "BREW", {"route": "none", "method": "other", "status": "404"}),
    ],
)
def test_an_answer_is_counted_by_route_method_and_status(path, method, labels):
    before = number(COUNT, **labels)
    environ = {"PATH_INFO": path, "REQUEST_METHOD": method}
    assert Measured(answers)(environ, lambda *_: None) == [b"body"]
    assert number(COUNT, **labels) == before + 1


def test_an_error_of_the_layers_inside_is_a_500():
    labels = {"route": "none", "method": "GET", "status": "500"}
    before = number(COUNT, **labels)

    def breaks(_environ, _start):
        raise KeyError

    with pytest.raises(KeyError):
        Measured(breaks)({"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, None)
    assert number(COUNT, **labels) == before + 1
