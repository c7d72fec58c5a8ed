# SPDX-License-Identifier: Apache-2.0
"""The four messages, over a bus inside this process."""

import queue

import pytest

from watcher.context import RequestContext
from watcher.core.errors import NotFound, ServiceDown
from watcher.messaging import rpc
from watcher.messaging.packing import pack

ANSWER_S = 10


class Endpoint:
    """Keeps what it is told, and answers."""

    def __init__(self):
        self.told = queue.Queue()

    def trigger_audit(self, context, uuid):
        self.told.put(("audit", context["request_id"], uuid))

    def launch_action_plan(self, context, uuid):
        self.told.put(("plan", context["request_id"], uuid))

    @rpc.expected
    def get_strategy_info(self, context, name):
        if name != "dummy":
            raise NotFound("Strategy", name)
        return [
            {"type": "Name", "state": name, "who": context["user"], "token": context["auth_token"]}
        ]

    def get_data_model_info(self, context, data_model_type, audit_uuid):
        return pack({"context": [audit_uuid], "model": {"kind": data_model_type}})


@pytest.fixture
def serving(bus, request):
    """Serve an endpoint on topics of this test; ``fake://`` is shared by the whole process."""
    servers = []
    names = {}
    for group in rpc.OPTIONS:
        group.register(bus.conf)
        names[group.name] = f"{request.node.name}.{group.name}"
        bus.conf.set_override("conductor_topic", names[group.name], group.name)

    def serve(group, endpoint):
        server = bus.serve(names[group], "node-1", endpoint)
        server.start()
        servers.append(server)

    yield serve
    for server in servers:
        server.stop()
        server.wait()


def test_a_cast_carries_uuid_and_request_id(bus, serving):
    endpoint = Endpoint()
    serving("watcher_decision_engine", endpoint)
    serving("watcher_applier", endpoint)
    context = RequestContext(request_id="req-1")
    rpc.DecisionEngine(bus).trigger_audit(context, "a")
    assert endpoint.told.get(timeout=ANSWER_S) == ("audit", "req-1", "a")
    rpc.Applier(bus).launch_action_plan(context, "p")
    assert endpoint.told.get(timeout=ANSWER_S) == ("plan", "req-1", "p")


def test_a_call_brings_the_answer_and_leaves_the_token_at_home(bus, serving):
    serving("watcher_decision_engine", Endpoint())
    engine = rpc.DecisionEngine(bus)
    context = RequestContext(user_id="me", auth_token="secret")
    assert engine.get_strategy_info(context, "dummy") == [
        {"type": "Name", "state": "dummy", "who": "me", "token": None}
    ]
    found = engine.get_data_model_info(context, "compute", "a")
    assert found == {"context": ["a"], "model": {"kind": "compute"}}


def test_an_error_of_the_engine_arrives_with_its_kind_and_text(bus, serving):
    serving("watcher_decision_engine", Endpoint())
    with pytest.raises(NotFound, match=r"^Strategy nobody could not be found$"):
        rpc.DecisionEngine(bus).get_strategy_info(RequestContext(), "nobody")


def test_when_nobody_answers_the_caller_learns_it_in_time(bus, serving):
    assert serving  # topics of this test, and no server
    bus.conf.set_override("rpc_response_timeout", 1)
    with pytest.raises(ServiceDown, match="no service answered in time"):
        rpc.DecisionEngine(bus).get_strategy_info(RequestContext(), "dummy")


def test_a_cast_to_nobody_is_no_error(bus, serving):
    assert serving
    rpc.Applier(bus).launch_action_plan(RequestContext(), "p")
