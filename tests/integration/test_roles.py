# SPDX-License-Identifier: Apache-2.0
"""Who may do what with tokens of the real Keystone: every route, and nothing changed by a refusal."""

from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import requests

from tests.cloud.api import login
from tests.cloud.process import pause
from tests.cloud.settings import PASSWORD
from tests.integration import backends, daemons

LIFETIME_S = 10
"""Of a token that must expire; it is used once before."""
NOBODY = "00000000-0000-0000-0000-000000000000"
STATE = [{"op": "replace", "path": "/state", "value": "CANCELLED"}]
SKIP = [{"op": "replace", "path": "/state", "value": "SKIPPED"}]
RENAME = [{"op": "replace", "path": "/name", "value": "taken"}]
LISTS = ("audit_templates", "audits", "action_plans", "actions")
REFUSED = ("member", "reader", "manager", "service", "nothing")

# Method, path below /v1 and body of what would succeed for an administrator; the policy's rule.
ROUTES = [
    *(
        ("GET", f"{collection}{path}", None, f"{word}:{verb}")
        for collection, word, ident in (
            ("goals", "goal", "dummy"),
            ("strategies", "strategy", "dummy"),
            ("audit_templates", "audit_template", "mine"),
            ("audits", "audit", "mine"),
            ("action_plans", "action_plan", "{plan}"),
            ("actions", "action", "{action}"),
            ("scoring_engines", "scoring_engine", NOBODY),
            ("services", "service", "1"),
        )
        for path, verb in (("", "get_all"), ("/detail", "detail"), (f"/{ident}", "get"))
    ),
    ("GET", "strategies/dummy/state", None, "strategy:state"),
    ("GET", "data_model", None, "data_model:get_all"),
    ("POST", "audit_templates", {"name": "new", "goal": "dummy"}, "audit_template:create"),
    ("PATCH", "audit_templates/mine", RENAME, "audit_template:update"),
    ("DELETE", "audit_templates/mine", None, "audit_template:delete"),
    ("POST", "audits", {"audit_type": "ONESHOT", "goal": "dummy"}, "audit:create"),
    ("PATCH", "audits/mine", RENAME, "audit:update"),
    ("DELETE", "audits/mine", None, "audit:delete"),
    ("PATCH", "action_plans/{plan}", STATE, "action_plan:update"),
    ("POST", "action_plans/{plan}/start", {}, "action_plan:start"),
    ("DELETE", "action_plans/{plan}", None, "action_plan:delete"),
    ("PATCH", "actions/{action}", SKIP, "action:update"),
]


@contextmanager
def made(identity, kind, **fields):
    """One row of Keystone, for as long as the test needs it."""
    row = identity.post(f"/{kind}s", json={kind: fields}).json()[kind]
    try:
        yield row["id"]
    finally:
        identity.delete(f"/{kind}s/{row['id']}")


def found(identity, kind, name):
    """The id of a row of Keystone by name, None when there is none."""
    rows = identity.get(f"/{kind}s", params={"name": name}).json()[f"{kind}s"]
    return rows[0]["id"] if rows else None


@pytest.fixture(scope="module")
def tokens(cloud_session):
    """Role -> a token of a user with only this role in the project admin; '' without a project."""
    identity, settings = cloud_session.identity, cloud_session.settings
    project = found(identity, "project", "admin")
    with ExitStack() as stack:
        roles = {}
        for role in ("administrator", *REFUSED):
            roles[role] = found(identity, "role", role) or stack.enter_context(
                made(identity, "role", name=role)
            )
        issued = {"admin": login(settings).get_token()}
        for role, role_id in roles.items():
            user = f"watcher-test-{role}"
            fields = {"name": user, "password": PASSWORD, "domain_id": "default"}
            user_id = stack.enter_context(made(identity, "user", **fields))
            identity.put(f"/projects/{project}/users/{user_id}/roles/{role_id}")
            issued[role] = login(settings, user).get_token()
        issued["unscoped"] = login(settings, "watcher-test-reader", None).get_token()
        issued |= elsewhere(identity, settings, stack)
        revoked = login(settings).get_token()
        gone = identity.delete("/auth/tokens", headers={"X-Subject-Token": revoked})
        assert gone.status_code == 204
        issued["revoked"] = revoked
        yield issued


@pytest.fixture(scope="module")
def short_lived(cloud_session):
    """A token that Keystone ends after ``LIFETIME_S``, and when that is."""
    identity = cloud_session.identity
    ends = datetime.now(UTC) + timedelta(seconds=LIFETIME_S)
    path = f"/users/{identity.get_user_id()}/application_credentials"
    fields = {"name": backends.unique(), "secret": PASSWORD}
    fields["expires_at"] = ends.strftime("%Y-%m-%dT%H:%M:%S.%f")
    made = identity.post(path, json={"application_credential": fields})
    known = made.json()["application_credential"]
    method = {"id": known["id"], "secret": PASSWORD}
    asked = {"methods": ["application_credential"], "application_credential": method}
    issued = requests.post(
        f"{cloud_session.settings.auth_url}/auth/tokens",
        json={"auth": {"identity": asked}},
        timeout=30,
    )
    expiry = datetime.fromisoformat(issued.json()["token"]["expires_at"])
    yield issued.headers["X-Subject-Token"], expiry
    identity.delete(f"{path}/{known['id']}")


def elsewhere(identity, settings, stack):
    """Tokens of a user who is an administrator, but not of a project, or a mere reader of one."""
    user = "watcher-test-elsewhere"
    fields = {"name": user, "password": PASSWORD, "domain_id": "default"}
    user_id = stack.enter_context(made(identity, "user", **fields))
    fields = {"name": user, "domain_id": "default"}
    project = stack.enter_context(made(identity, "project", **fields))
    admin, reader = found(identity, "role", "admin"), found(identity, "role", "reader")
    identity.put(f"/domains/default/users/{user_id}/roles/{admin}")
    identity.put(f"/system/users/{user_id}/roles/{admin}")
    identity.put(f"/projects/{project}/users/{user_id}/roles/{reader}")
    scopes = {
        "domain": {"domain": {"id": "default"}},
        "system": {"system": {"all": True}},
        "other project": {"project": {"id": project}},
    }
    password = {"user": {"id": user_id, "password": PASSWORD}}
    identity_of = {"methods": ["password"], "password": password}
    return {
        name: identity.post(
            "/auth/tokens", json={"auth": {"identity": identity_of, "scope": scope}}
        ).headers["X-Subject-Token"]
        for name, scope in scopes.items()
    }


@pytest.fixture(scope="module")
def watcher(cloud_session, services, tmp_path_factory):
    folder = tmp_path_factory.mktemp("watcher")
    with daemons.running(cloud_session, services, folder) as (running, _):
        yield running


@pytest.fixture(scope="module")
def rows(watcher):
    """What the routes name: a template and an audit called 'mine', a plan and one of its actions."""
    api = watcher.api()
    api.post("/v1/audit_templates", json={"name": "mine", "goal": "dummy"})
    audit = watcher.audit(name="mine", goal="dummy", strategy="dummy")
    event = api.post("/v1/audits", json={"audit_type": "EVENT", "goal": "dummy"}).json()
    plan = watcher.plan_of(audit["uuid"])["uuid"]
    return {
        "plan": plan,
        "action": watcher.actions_of(plan)[0]["uuid"],
        "event": event["uuid"],
    }


@pytest.fixture
def unchanged(watcher, rows):
    """Whatever the test does, every row must be as it was."""

    def everything():
        return {kind: watcher.api().get(f"/v1/{kind}/detail").json()[kind] for kind in LISTS}

    before = everything()
    assert all(before.values())
    yield
    assert everything() == before


def ask(watcher, rows, method, path, body, **headers):
    return requests.request(
        method,
        f"http://127.0.0.1:{watcher.port}/v1/{path.format(**rows)}",
        json=body,
        headers={"OpenStack-API-Version": "infra-optim 1.7", **headers},
        timeout=30,
    )


@pytest.mark.parametrize("role", [*REFUSED, "unscoped", "domain", "system", "other project"])
def test_who_is_no_administrator_is_refused_everywhere(watcher, rows, unchanged, tokens, role):
    for method, path, body, rule in ROUTES:
        reply = ask(watcher, rows, method, path, body, **{"X-Auth-Token": tokens[role]})
        assert reply.status_code == 403, (method, path, reply.text)
        assert f"policy does not allow {rule} " in reply.json()["error_message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Auth-Token": "wrong"},
        {"X-Auth-Token": ""},
        {"X-Roles": "admin", "X-User-Id": "1", "X-Identity-Status": "Confirmed"},
    ],
)
def test_without_a_token_that_keystone_knows_it_is_401_everywhere(
    watcher, rows, unchanged, headers
):
    refused_everywhere(watcher, rows, headers)


def test_a_revoked_token_is_401_everywhere(watcher, rows, unchanged, tokens):
    refused_everywhere(watcher, rows, {"X-Auth-Token": tokens["revoked"]})


def test_an_expired_token_is_401_everywhere(watcher, rows, unchanged, short_lived):
    token, expiry = short_lived
    headers = {"X-Auth-Token": token}
    reply = ask(watcher, rows, "GET", "goals", None, **headers)
    assert reply.status_code == 200, reply.text  # and now the middleware has it in its cache
    left = expiry - datetime.now(UTC)
    assert left < timedelta(seconds=LIFETIME_S)
    pause(left.total_seconds() + 1)
    refused_everywhere(watcher, rows, headers)


def refused_everywhere(watcher, rows, headers):
    webhook = ("POST", "webhooks/{event}", {}, "webhook:trigger")
    for method, path, body, _ in (*ROUTES, webhook, ("GET", "openapi.json", None, "")):
        reply = ask(watcher, rows, method, path, body, **headers)
        assert reply.status_code == 401, (method, path, reply.text)
        assert reply.headers["WWW-Authenticate"].startswith("Keystone uri=")
        assert reply.headers["x-openstack-request-id"].startswith("req-")
        assert set(reply.json()) == {"error"}


def test_roles_in_headers_do_not_count(watcher, rows, unchanged, tokens):
    for method, path, body, _ in ROUTES:
        headers = {"X-Auth-Token": tokens["reader"], "X-Roles": "admin"}
        reply = ask(watcher, rows, method, path, body, **headers)
        assert reply.status_code == 403, (method, path, reply.text)


@pytest.mark.parametrize("role", ["admin", "administrator"])
def test_an_administrator_may_read_everything(watcher, rows, tokens, role):
    for method, path, body, rule in ROUTES:
        if method == "GET":
            reply = ask(watcher, rows, method, path, body, **{"X-Auth-Token": tokens[role]})
            expected = 404 if rule == "scoring_engine:get" else 200
            assert reply.status_code == expected, (path, reply.text)


@pytest.mark.parametrize(
    ("role", "status"),
    [*((role, 403) for role in ("member", "reader", "manager", "nothing")), ("service", 202)],
)
def test_a_service_may_trigger_an_audit_and_nobody_else_but_administrators(
    watcher, rows, tokens, role, status
):
    headers = {"X-Auth-Token": tokens[role]}
    reply = ask(watcher, rows, "POST", "webhooks/{event}", {}, **headers)
    assert reply.status_code == status, reply.text


def test_the_documents_need_no_right_and_the_first_no_token(watcher, tokens):
    root = f"http://127.0.0.1:{watcher.port}/"
    assert requests.get(root, timeout=30).status_code == 200
    assert requests.get(f"{root}healthcheck", timeout=30).status_code == 200
    assert requests.get(f"{root}v1", timeout=30).status_code == 401
    token = {"X-Auth-Token": tokens["reader"]}
    for path in ("v1/", "v1/openapi.json"):
        assert requests.get(f"{root}{path}", headers=token, timeout=30).status_code == 200
