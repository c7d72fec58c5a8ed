# SPDX-License-Identifier: Apache-2.0
"""python-watcherclient as it is, through Keystone tokens: SDK, ``watcher``, ``openstack optimize``.

Keystone is the simulator's, checked by keystonemiddleware; the API is served over HTTP on
127.0.0.1. The daemons are the listener of ``bench``.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from cheroot import wsgi
from oslo_config import cfg
from watcherclient import client as watcherclient
from watcherclient.common.apiclient import exceptions
from watcherclient.exceptions import UnsupportedVersion

from tests.functional.api.bench import Bench
from watcher.api import app as api_app
from watcher.api import microversions
from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

BIN = pathlib.Path(sys.executable).parent


@dataclass
class Served:
    """The API behind Keystone, and the bench that holds its database."""

    url: str
    identity: str
    bench: Bench

    def credentials(self, user: str = "admin") -> dict[str, str]:
        return {
            "os_auth_url": f"{self.identity}/v3",
            "os_username": user,
            "os_password": "any",
            "os_project_name": "admin",
            "os_user_domain_name": "Default",
            "os_project_domain_name": "Default",
        }

    def sdk(self, version: str = "1.7", user: str = "admin") -> Any:
        credentials = self.credentials(user)
        return watcherclient.get_client("1", os_infra_optim_api_version=version, **credentials)

    def run(self, *words: str, fails: bool = False) -> str:
        """What a command prints; it must succeed, or fail with exit status 1."""
        command, *rest = words
        environment = {name.upper(): value for name, value in self.credentials().items()}
        done = subprocess.run(
            [str(BIN / command), *rest],
            env={**os.environ, **environment, "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == (1 if fails else 0), done.stderr
        return done.stderr if fails else done.stdout

    def token(self, user: str = "admin") -> str:
        domain = {"name": "Default"}
        password = {"user": {"name": user, "password": "any", "domain": domain}}
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": password},
                "scope": {"project": {"name": "admin", "domain": domain}},
            }
        }
        answer = requests.post(f"{self.identity}/v3/auth/tokens", json=body, timeout=10)
        return str(answer.headers["X-Subject-Token"])


def guarded(conf: cfg.ConfigOpts, identity: str, folder: pathlib.Path) -> cfg.ConfigOpts:
    """A ConfigOpts like ``conf`` that asks this Keystone."""
    from oslo_messaging import conffixture  # after watcher.messaging, which keeps eventlet out

    path = folder / "watcher.conf"
    path.write_text(f"""
[DEFAULT]
transport_url = fake://
[cors]
allowed_origin = https://horizon.example.com
[keystone_authtoken]
auth_type = password
auth_url = {identity}
www_authenticate_uri = {identity}
username = watcher
password = any
project_name = service
user_domain_name = Default
project_domain_name = Default
service_token_roles_required = true
""")
    made = cfg.ConfigOpts()
    for group in api_app.OPTIONS:
        group.register(made)
    made.register_opt(cfg.IntOpt("service_down_time", default=90))
    conffixture.ConfFixture(made).setUp()
    made(["--config-file", str(path)])
    return made


@pytest.fixture
def served(
    conf: cfg.ConfigOpts, make_bench: Callable[[], Bench], tmp_path: pathlib.Path
) -> Iterator[Served]:
    bench = make_bench()
    server = wsgi.Server(("127.0.0.1", 0), lambda *_: [], numthreads=4)
    server.shutdown_timeout = 1
    server.expiration_interval = 0.05
    server.prepare()
    url = f"http://127.0.0.1:{server.bind_addr[1]}"
    with Simulator(generate(1, 2, 2), infra_optim_url=url) as simulator:
        own = guarded(conf, simulator.urls.identity, tmp_path)
        server.wsgi_app = api_app.make_app(own, bench.database, bench.bus)
        thread = threading.Thread(target=server.serve, daemon=True)
        thread.start()
        yield Served(url, simulator.urls.identity, bench)
        server.stop()
        thread.join()


def test_the_sdk_goes_from_goal_to_started_plan(served: Served) -> None:
    sdk = served.sdk()
    assert [goal.name for goal in sdk.goal.list(limit=0)] == [
        *("dummy", "server_consolidation", "cluster_maintaining"),
    ]
    goal = sdk.goal.get("DUMMY")
    template = sdk.audit_template.create(
        name="t", goal=goal.uuid, strategy="dummy", default_parameters={"para1": 5.0}
    )
    audit = sdk.audit.create(audit_type="ONESHOT", audit_template_uuid=template.uuid)
    assert audit.parameters == {"para1": 5.0, "para2": "hello"}
    plan = served.bench.plan(served.bench.row(type(served.bench.audit()), audit.uuid))
    found = sdk.action_plan.list(audit=audit.uuid, detail=True)
    assert [item.uuid for item in found] == [plan.uuid]
    first, *_ = sdk.action.list(action_plan=plan.uuid)
    patch = [
        {"op": "replace", "path": "/state", "value": "SKIPPED"},
        {"op": "replace", "path": "/status_message", "value": "why not"},
    ]
    skipped = sdk.action.update(first.uuid, patch)
    assert skipped.status_message == "Action skipped by user. Reason: why not"
    sdk.action_plan.start(plan.uuid)
    assert sdk.action_plan.get(plan.uuid).state == "PENDING"
    assert served.bench.row(type(plan), plan.uuid).state == "PENDING"


def test_the_sdk_pages_through_everything(served: Served) -> None:
    for number in range(7):
        served.bench.audit(name=f"a{number}")
    sdk = served.sdk()
    assert len(sdk.audit.list(limit=5)) == 5
    names = [audit.name for audit in sdk.audit.list(limit=0, sort_key="name", sort_dir="desc")]
    assert names == [f"a{number}" for number in reversed(range(7))]


def test_the_sdk_tells_errors_in_our_words(served: Served) -> None:
    sdk = served.sdk()
    with pytest.raises(exceptions.NotFound, match=r"Goal nothing could not be found \(HTTP 404\)"):
        sdk.goal.get("nothing")
    with pytest.raises(exceptions.BadRequest, match="cannot be sorted by bogus"):
        sdk.goal.list(sort_key="bogus")
    sdk.audit_template.create(name="t", goal="dummy")
    with pytest.raises(exceptions.Conflict, match="exists already"):
        sdk.audit_template.create(name="t", goal="dummy")
    with pytest.raises(UnsupportedVersion, match=rf"1\.0 to {microversions.LATEST}"):
        served.sdk("1.99").goal.list()


@pytest.mark.parametrize("user", ["member", "reader"])
def test_a_user_without_the_role_is_refused(served: Served, user: str) -> None:
    with pytest.raises(exceptions.Forbidden, match="goal:get_all"):
        served.sdk(user=user).goal.list()


def test_a_request_without_a_valid_token_is_401(served: Served) -> None:
    for headers in ({}, {"X-Auth-Token": "wrong"}, {"X-Roles": "admin"}):
        answer = requests.get(f"{served.url}/v1/goals", headers=headers, timeout=10)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == 401
        assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
        assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert requests.get(f"{served.url}/", timeout=10).status_code == 200
    assert requests.get(f"{served.url}/healthcheck", timeout=10).status_code == 200


def test_roles_come_from_the_token_not_from_headers(served: Served) -> None:
    headers = {"X-Auth-Token": served.token("reader"), "X-Roles": "admin"}
    assert requests.get(f"{served.url}/v1/goals", headers=headers, timeout=10).status_code == 403


def test_a_preflight_needs_no_token_and_allows_the_version_header(served: Served) -> None:
    origin = {"Origin": "https://horizon.example.com"}
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "X-Auth-Token, OpenStack-API-Version",
    }
    url = f"{served.url}/v1/audits"
    answer = requests.options(url, headers={**origin, **asked}, timeout=10)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert "OpenStack-API-Version" in answer.headers["Access-Control-Allow-Headers"]
    refused = requests.get(url, headers=origin, timeout=10)
    assert refused.status_code == 401
    assert "OpenStack-API-Version" in refused.headers["Access-Control-Expose-Headers"]


def test_the_wire_carries_what_deletes_and_heads_need(served: Served) -> None:
    headers = {"X-Auth-Token": served.token(), "Content-Type": "application/octet-stream"}
    audit = served.bench.audit(state="FAILED")
    url = f"{served.url}/v1/audits/{audit.uuid}"
    head = requests.head(url, headers=headers, timeout=10)
    assert (head.status_code, head.content) == (200, b"")
    gone = requests.delete(url, headers=headers, timeout=10)
    assert (gone.status_code, gone.content) == (204, b"")
    assert requests.delete(url, headers=headers, timeout=10).status_code == 404


def test_without_authentication_a_fixed_endpoint_is_enough(bench: Bench) -> None:
    server = wsgi.Server(("127.0.0.1", 0), bench.app.app, numthreads=2)
    server.shutdown_timeout = 1
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.bind_addr[1]}/v1"
    sdk = watcherclient.get_client("1", os_auth_token="none", watcher_url=url)
    assert sdk.strategy.get("dummy").goal_name == "dummy"
    server.stop()
    thread.join()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["watcher", "openstack optimize"])
def test_the_commands_make_and_show_an_audit(served: Served, command: str) -> None:
    words = command.split()
    shown = served.run(
        *words, "audit", "create", "-g", "dummy", "-s", "dummy", "-p", "para1=2.5",
        "--name", "mine", "-f", "json",
    )  # fmt: skip
    audit = json.loads(shown)
    assert audit["State"] == "PENDING"
    assert audit["Parameters"] == {"para1": 2.5, "para2": "hello"}
    listed = json.loads(served.run(*words, "audit", "list", "-f", "json"))
    assert [item["Name"] for item in listed] == ["mine"]
    text = served.run(*words, "goal", "show", "nothing", fails=True)
    assert "Goal nothing could not be found (HTTP 404)" in text
