# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterator

import pytest
import webob

from watcher.api import expose
from watcher.core import errors


def leaves(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from leaves(child)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.BadScope, 400), (errors.BadTransition, 400), (errors.Forbidden, 403),
        (errors.NotFound, 404), (errors.NotAcceptable, 406), (errors.AlreadyExists, 409),
        (errors.LostRace, 409), (errors.ServiceDown, 503), (errors.StaleCluster, 503),
        (errors.ActionFailed, 500), (RuntimeError, 500),
    ],
)  # fmt: skip
def test_a_family_has_one_status(error: type[Exception], status: int) -> None:
    assert expose.status_of(error) == status


def test_every_error_an_api_can_meet_has_a_family() -> None:
    within = (errors.ActionFailed,)
    for error in leaves(errors.WatcherError):
        if not issubclass(error, within):
            assert expose.status_of(error) < 504
            assert expose.status_of(error) != 500, error


@pytest.mark.parametrize(("status", "code"), [(404, "Client"), (500, "Server"), (503, "Server")])
def test_a_failure_is_json_in_json(status: int, code: str) -> None:
    response = expose.failure(status, 'it\'s "bad"', {"Allow": "GET"})
    assert response.status_int == status
    assert response.headers["Allow"] == "GET"
    assert response.content_type == "application/json"
    assert json.loads(json.loads(response.body)["error_message"]) == {
        "debuginfo": None,
        "faultcode": code,
        "faultstring": 'it\'s "bad"',
    }


def test_foreign_errors_get_the_envelope_and_a_missing_token_does_not() -> None:
    plain = webob.Response("Service Unavailable", status=503, content_type="text/plain")
    assert b"error_message" in expose.enveloped(plain).body
    refused = webob.Response(json_body={"error": {"code": 401}}, status=401)
    assert expose.enveloped(refused) is refused
    own = expose.failure(404, "x")
    assert expose.enveloped(own) is own
    head = webob.Response(status=404, headers={"Vary": "x"}, content_type="application/json")
    assert expose.enveloped(head).headers["Vary"] == "x"
    fine = webob.Response(json_body={})
    assert expose.enveloped(fine) is fine


@pytest.mark.parametrize(
    ("query", "found"), [("", {}), ("a=1", {"a": "1"}), ("a=&b=%C3%A9", {"a": "", "b": "é"})]
)
def test_known_arguments_are_taken_once(query: str, found: dict[str, str]) -> None:
    request = webob.Request.blank(f"/?{query}")
    assert expose.arguments(request, "ab") == found


@pytest.mark.parametrize("query", ["c=1", "a=1&a=2", "a=%00", "A=1"])
def test_other_arguments_are_refused(query: str) -> None:
    with pytest.raises(errors.Invalid):
        expose.arguments(webob.Request.blank(f"/?{query}"), "ab")
