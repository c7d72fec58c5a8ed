# SPDX-License-Identifier: Apache-2.0
"""Identity v3: tokens, the service catalogue, and the reads that clients make.

Enough for keystoneauth, keystonemiddleware, the openstack command and python-watcherclient.
See https://docs.openstack.org/api-ref/identity/v3/.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from watcher.simulator.clock import iso
from watcher.simulator.cloud import Cloud
from watcher.simulator.web import App, Identity, Refusal, Request, Response, Route
from watcher.simulator.world import Project

_DOMAIN = {"id": "default", "name": "Default"}
_ROLES: Mapping[str, tuple[str, ...]] = {
    "admin": ("admin", "manager", "member", "reader"),
    "watcher": ("admin", "manager", "member", "reader", "service"),
    "member": ("member", "reader"),
    "reader": ("reader",),
}
_UNAUTHORIZED = "The request you have made requires authentication."


class _Token(NamedTuple):
    identity: Identity
    issued: float
    expires: float


class Keystone(App):
    """The identity service.

    :ivar passwords: the only password of a user; users that are not in it log in with any
    :ivar lifetime_s: how long a token is valid, wall seconds
    :ivar endpoints: URL of each service type; ``{root}`` in it is where the simulator listens
    """

    name = "identity"

    def __init__(
        self, cloud: Cloud, endpoints: Mapping[str, str], passwords: Mapping[str, str] | None
    ) -> None:
        self.endpoints = dict(endpoints)
        self.passwords = dict(passwords or {})
        self.lifetime_s = 3600.0
        self._tokens: dict[str, _Token] = {}
        super().__init__(cloud)

    def routes(self) -> Sequence[Route]:
        """Tokens and reads; whatever lists things is for those who have a token."""
        reads: dict[str, Callable[[], list[dict[str, Any]]]] = {
            "users": self._users,
            "projects": self._projects,
            "domains": lambda: [{**_DOMAIN, "enabled": True}],
            "roles": self._role_list,
            "regions": lambda: [{"id": "RegionOne", "parent_region_id": None}],
            "services": lambda: [
                {"id": kind, "name": kind, "type": kind, "enabled": True}
                for kind in self.endpoints
            ],
        }
        listed = [
            route
            for kind, items in reads.items()
            for route in (
                ("GET", f"/v3/{kind}", _lister(kind, items)),
                ("GET", f"/v3/{kind}/{{item_id}}", _getter(kind, items)),
            )
        ]
        return [
            ("GET", "/", self._versions),
            ("GET", "/v3", self._version),
            ("POST", "/v3/auth/tokens", self._log_in),
            ("GET", "/v3/auth/tokens", self._validate),
            ("DELETE", "/v3/auth/tokens", self._revoke),
            ("GET", "/v3/auth/catalog", self._catalogue),
            ("GET", "/v3/auth/projects", _lister("projects", self._projects)),
            ("GET", "/v3/users/{user_id}/projects", self._projects_of),
            *listed,
        ]

    def prepare(self, request: Request) -> Request:
        """Nothing but the versions and logging in is open to strangers."""
        if request.path.strip("/") not in ("", "v3") and request.method != "POST":
            self.identify(request)
        return request

    def error(self, request: Request, refusal: Refusal) -> Any:
        """Keystone's envelope has the reason phrase as title."""
        del request
        title = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found"}.get(refusal.status, "")
        return {
            "error": {"code": refusal.status, "title": title, "message": refusal.message},
        }

    def finish(self, request: Request, response: Response) -> None:
        """Clients look for the way to log in on a 401."""
        response.headers.setdefault("Vary", "X-Auth-Token")
        if response.status == 401:
            response.headers["WWW-Authenticate"] = f'Keystone uri="{request.origin}"'

    def identify(self, request: Request) -> Identity:
        """Whom a request's token stands for.

        :raises Refusal: 401 without a valid token
        """
        token = self._tokens.get(request.headers.get("x-auth-token", ""))
        if token is None or token.expires <= self.cloud.clock.now():
            raise Refusal(401, _UNAUTHORIZED)
        return token.identity

    def expire_all(self) -> None:
        """Every token given out so far is worthless from now on."""
        with self.cloud.lock:
            self._tokens.clear()

    def _log_in(self, request: Request) -> Response:
        auth = request.json().get("auth", {})
        methods = auth.get("identity", {}).get("methods", [])
        if "password" in methods:
            user = self._check_password(auth["identity"]["password"]["user"])
        elif "token" in methods:
            known = self._tokens.get(auth["identity"]["token"]["id"])
            if known is None:
                raise Refusal(401, _UNAUTHORIZED)
            user = known.identity.user_name
        else:
            raise Refusal(400, f"Unsupported authentication methods: {methods}")
        project = self._scope(auth.get("scope"))
        identity = Identity(
            user_id=f"u-{user}",
            user_name=user,
            project_id=project.id if project else "",
            project_name=project.name if project else "",
            roles=_ROLES[user] if project else (),
        )
        now = self.cloud.clock.now()
        token = _Token(identity, now, now + self.lifetime_s)
        name = f"sim-{uuid.uuid4().hex}"
        self._tokens[name] = token
        return Response(self._described(request, token), 201, {"X-Subject-Token": name})

    def _check_password(self, user: Mapping[str, Any]) -> str:
        name = user.get("name") or str(user.get("id", "")).removeprefix("u-")
        wanted = self.passwords.get(name)
        if name not in _ROLES or (wanted is not None and user.get("password") != wanted):
            raise Refusal(401, _UNAUTHORIZED)
        return str(name)

    def _scope(self, scope: Any) -> Project | None:
        if not scope or scope == "unscoped":
            return None
        if "project" not in scope:  # the whole system or a domain: the admin project stands for it
            return self.cloud.world.projects[0]
        wanted = scope["project"]
        for project in self.cloud.world.projects:
            if wanted.get("id") == project.id or wanted.get("name") == project.name:
                return project
        raise Refusal(401, _UNAUTHORIZED)

    def _described(self, request: Request, token: _Token) -> dict[str, Any]:
        who = token.identity
        body: dict[str, Any] = {
            "methods": ["password"],
            "user": {
                "id": who.user_id,
                "name": who.user_name,
                "domain": _DOMAIN,
                "password_expires_at": None,
            },
            "audit_ids": [uuid.uuid5(uuid.NAMESPACE_OID, who.user_id).hex[:22]],
            "issued_at": iso(token.issued, micro=True, zone="Z"),
            "expires_at": iso(token.expires, micro=True, zone="Z"),
        }
        if who.project_id:
            body |= {
                "project": {"id": who.project_id, "name": who.project_name, "domain": _DOMAIN},
                "is_domain": False,
                "roles": [{"id": f"r-{role}", "name": role} for role in who.roles],
                "catalog": self._services(request),
            }
        return {"token": body}

    def _services(self, request: Request) -> list[dict[str, Any]]:
        root = request.origin.removesuffix("/identity")
        return [
            {
                "id": kind,
                "type": kind,
                "name": kind,
                "endpoints": [
                    {
                        "id": f"{kind}-{interface}",
                        "interface": interface,
                        "region": "RegionOne",
                        "region_id": "RegionOne",
                        "url": url.format(root=root),
                    }
                    for interface in ("public", "internal", "admin")
                ],
            }
            for kind, url in self.endpoints.items()
        ]

    def _subject(self, request: Request) -> tuple[str, _Token]:
        name = request.headers.get("x-subject-token", "")
        token = self._tokens.get(name)
        if token is None or token.expires <= self.cloud.clock.now():
            raise Refusal(404, f"Could not find token: {name}.")
        asker = self.identify(request)
        if not asker.admin and asker != token.identity:
            raise Refusal(403, "You are not authorized to perform the requested action.")
        return name, token

    def _validate(self, request: Request) -> Response:
        name, token = self._subject(request)
        return Response(self._described(request, token), 200, {"X-Subject-Token": name})

    def _revoke(self, request: Request) -> Response:
        name, _token = self._subject(request)
        del self._tokens[name]
        return Response(None, 204)

    def _catalogue(self, request: Request) -> Response:
        return Response({"catalog": self._services(request), "links": {}})

    def _projects_of(self, request: Request, user_id: str) -> Response:
        del request, user_id
        return Response({"projects": self._projects(), "links": {}})

    def _users(self) -> list[dict[str, Any]]:
        return [
            {"id": f"u-{name}", "name": name, "domain_id": "default", "enabled": True}
            for name in _ROLES
        ]

    def _projects(self) -> list[dict[str, Any]]:
        return [
            {
                "id": project.id,
                "name": project.name,
                "domain_id": "default",
                "parent_id": "default",
                "enabled": True,
                "is_domain": False,
                "description": "",
                "tags": [],
                "options": {},
            }
            for project in self.cloud.world.projects
        ]

    def _role_list(self) -> list[dict[str, Any]]:
        names = sorted({role for roles in _ROLES.values() for role in roles})
        return [{"id": f"r-{name}", "name": name, "domain_id": None} for name in names]

    def _version(self, request: Request) -> Response:
        return Response({"version": _version_document(request)})

    def _versions(self, request: Request) -> Response:
        return Response({"versions": {"values": [_version_document(request)]}}, 300)


def _version_document(request: Request) -> dict[str, Any]:
    return {
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": f"{request.origin}/v3/"}],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}
        ],
    }


def _lister(kind: str, items: Callable[[], list[dict[str, Any]]]) -> Callable[..., Response]:
    def answer(request: Request) -> Response:
        name = request.arg("name")
        found = [item for item in items() if name in (None, item.get("name"))]
        return Response({kind: found, "links": {"self": request.origin, "next": None}})

    return answer


def _getter(kind: str, items: Callable[[], list[dict[str, Any]]]) -> Callable[..., Response]:
    def answer(request: Request, item_id: str) -> Response:
        del request
        for item in items():
            if item["id"] == item_id:
                return Response({kind[:-1]: item})
        raise Refusal(404, f"Could not find {kind[:-1]}: {item_id}.")

    return answer
