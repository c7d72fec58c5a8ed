# SPDX-License-Identifier: Apache-2.0
"""Tokens of the simulated Keystone, with the clients and the middleware that Watcher uses."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from keystoneauth1 import exceptions
from keystoneauth1.session import Session
from keystonemiddleware.auth_token import AuthProtocol
from webob import Request, Response

from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

Login = Callable[..., Session]


@pytest.fixture
def guarded(simulator: Simulator) -> AuthProtocol:
    """An application behind keystonemiddleware, as Watcher's API is."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        seen = {name: value for name, value in environ.items() if name.startswith("HTTP_X_")}
        return Response(json_body=seen)(environ, start_response)

    return AuthProtocol(
        application,
        {
            "auth_type": "password",
            "auth_url": simulator.urls.identity,
            "www_authenticate_uri": simulator.urls.identity,
            "username": "watcher",
            "password": "any",
            "project_name": "service",
            "user_domain_id": "default",
            "project_domain_id": "default",
            "service_token_roles_required": True,
            "token_cache_time": "-1",
        },
    )


def through(guarded: AuthProtocol, token: str) -> Response:
    return Request.blank("/", headers={"X-Auth-Token": token}).get_response(guarded)


@pytest.mark.parametrize(
    ("user", "roles"),
    [("admin", {"admin", "member", "reader"}), ("member", {"member", "reader"}), ("reader", {"reader"})],
)  # fmt: skip
def test_the_middleware_lets_a_valid_token_through_with_its_roles(
    guarded: AuthProtocol, login: Login, user: str, roles: set[str]
) -> None:
    answer = through(guarded, login(user).get_token())
    assert answer.status_int == 200
    seen = answer.json
    assert seen["HTTP_X_IDENTITY_STATUS"] == "Confirmed"
    assert seen["HTTP_X_USER_NAME"] == user
    assert seen["HTTP_X_PROJECT_NAME"] == "admin"
    assert set(seen["HTTP_X_ROLES"].split(",")) - {"manager"} == roles


def test_the_middleware_refuses_an_unknown_token(guarded: AuthProtocol) -> None:
    answer = through(guarded, "nonsense")
    assert answer.status_int == 401
    assert "Keystone" in answer.headers["WWW-Authenticate"]


def test_a_revoked_token_is_worthless(
    guarded: AuthProtocol, login: Login, simulator: Simulator
) -> None:
    member, admin = login("member"), login()
    token = member.get_token()
    admin.delete(f"{simulator.urls.identity}/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert through(guarded, token).status_int == 401


def test_an_expired_token_is_worthless_and_clients_log_in_again(
    simulator: Simulator, login: Login
) -> None:
    session = login()
    token = session.get_token()
    url = f"{simulator.urls.compute}/servers"
    simulator.keystone.expire_all()
    assert requests.get(url, headers={"X-Auth-Token": token}, timeout=5).status_code == 401
    assert session.get(url).status_code == 200
    assert session.get_token() != token


def test_a_token_lives_as_long_as_was_said(simulator: Simulator, login: Login) -> None:
    simulator.keystone.lifetime_s = -1.0
    url = f"{simulator.urls.compute}/servers"
    with pytest.raises(exceptions.Unauthorized):
        login().get(url)
    simulator.keystone.lifetime_s = 60.0
    assert login().get(url).status_code == 200


def post_password(simulator: Simulator, password: str) -> requests.Response:
    user = {"name": "admin", "domain": {"id": "default"}, "password": password}
    scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    url = f"{simulator.urls.identity}/v3/auth/tokens"
    return requests.post(url, json={"auth": {"identity": identity, "scope": scope}}, timeout=5)


def test_a_configured_password_is_the_only_one() -> None:
    with Simulator(generate(1, 2, 2), passwords={"admin": "secret"}) as simulator:
        assert post_password(simulator, "wrong").status_code == 401
        assert post_password(simulator, "secret").status_code == 201


def test_an_unknown_user_or_project_cannot_log_in(login: Login) -> None:
    for session in (login("mallory"), login("admin", project="nowhere")):
        with pytest.raises(exceptions.Unauthorized):
            session.get_token()


def test_the_catalogue_names_watcher_where_it_was_told() -> None:
    with Simulator(generate(1, 2, 2), infra_optim_url="http://127.0.0.1:9322") as simulator:
        token = post_password(simulator, "any").json()["token"]
    urls = {entry["type"]: entry["endpoints"][0]["url"] for entry in token["catalog"]}
    root = simulator.urls.identity.removesuffix("/identity")
    assert urls == {
        "identity": simulator.urls.identity,
        "compute": simulator.urls.compute,
        "placement": simulator.urls.placement,
        "block-storage": f"{root}/block-storage/v3",
        "baremetal": f"{root}/baremetal",
        "infra-optim": "http://127.0.0.1:9322",
    }


def test_a_service_can_be_registered_later(simulator: Simulator, login: Login) -> None:
    simulator.register("infra-optim", "http://127.0.0.1:1234")
    assert login().get_endpoint(service_type="infra-optim") == "http://127.0.0.1:1234"


@pytest.mark.parametrize("user", ["member", "reader"])
def test_who_is_no_admin_sees_one_project_and_no_hosts(
    simulator: Simulator, login: Login, user: str
) -> None:
    project = simulator.world.projects[2]
    session = login(user, project=project.name)
    rows = session.get(f"{simulator.urls.compute}/servers/detail?all_tenants=1").json()["servers"]
    assert rows
    assert {row["tenant_id"] for row in rows} == {project.id}
    assert "OS-EXT-SRV-ATTR:host" not in rows[0]
    for path in ("os-hypervisors/detail", "os-services", "os-migrations", "os-aggregates"):
        with pytest.raises(exceptions.Forbidden):
            session.get(f"{simulator.urls.compute}/{path}")
    with pytest.raises(exceptions.Forbidden):
        session.get(f"{simulator.urls.placement}/resource_providers")
    url = f"{simulator.urls.compute}/servers/{rows[0]['id']}/action"
    body = {"os-migrateLive": {"host": None, "block_migration": "auto"}}
    with pytest.raises(exceptions.Forbidden):
        session.post(url, json=body, headers={"OpenStack-API-Version": "compute 2.30"})


@pytest.mark.slow
def test_the_openstack_command_works_with_the_openrc(simulator: Simulator) -> None:
    command = Path(sys.executable).with_name("openstack")
    done = subprocess.run(
        [command, "hypervisor", "list", "-f", "value", "-c", "Hypervisor Hostname"],
        env={
            "OS_AUTH_URL": f"{simulator.urls.identity}/v3",
            "OS_USERNAME": "admin",
            "OS_PASSWORD": "any",
            "OS_PROJECT_NAME": "admin",
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_IDENTITY_API_VERSION": "3",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    names = [host.hypervisor_hostname for host in simulator.world.hosts.values()]
    assert done.stdout.split() == names
