# SPDX-License-Identifier: Apache-2.0
"""The WSGI application: pecan inside, and around it what every OpenStack API has.

Outside in: what measures requests, request id, CORS (a preflight has no token), proxy headers, the
health check, one form for errors of the layers, the size limit, Keystone's token, pecan
(contract: rest-api 3).
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import pecan
import webob
import webob.dec
from keystonemiddleware import auth_token
from oslo_config import cfg
from oslo_middleware import catch_errors, cors, http_proxy_to_wsgi, request_id, sizelimit
from oslo_middleware.healthcheck import Healthcheck

from watcher import config
from watcher.api import expose, measured, microversions
from watcher.api.policies import Policy
from watcher.api.root import Root
from watcher.db.engine import Database
from watcher.messaging import rpc
from watcher.messaging.transport import Bus

OPTIONS = (
    config.Group(
        "DEFAULT",
        "What all daemons share",
        [
            cfg.BoolOpt(
                "enable_authentication",
                default=True,
                help="Check Keystone tokens in front of the API. False trusts the identity headers"
                " (X-Roles, ...) as they are sent, and takes a caller who sends none for an"
                " administrator: for demonstrations and tests only.",
            ),
        ],
    ),
    config.Group(
        "api",
        "The API",
        [
            cfg.PortOpt("port", default=9322, help="TCP port that watcher-api listens on."),
            cfg.HostAddressOpt(
                "host", default="127.0.0.1", help="Address that watcher-api listens on."
            ),
            cfg.IntOpt(
                "max_limit",
                default=1000,
                min=0,
                help="Most items in one page of a list, and how many there are when the client"
                " does not say; 0 is no limit.",
            ),
            cfg.IntOpt(
                "workers",
                default=os.cpu_count() or 1,
                min=1,
                sample_default="<number of CPUs>",
                help="Number of processes of watcher-api.",
            ),
            cfg.IntOpt(
                "threads",
                default=10,
                min=1,
                help="Requests that one process of watcher-api answers at a time.",
            ),
            cfg.BoolOpt(
                "enable_ssl_api",
                default=False,
                help="Serve HTTPS, with the certificate and key of the [ssl] group.",
            ),
            cfg.BoolOpt(
                "enable_webhooks_auth",
                default=True,
                help="Ask for a token and for the policy webhook:trigger on /v1/webhooks. False"
                " opens these paths to everybody who can reach them.",
            ),
        ],
    ),
    config.Group(
        "ssl",
        "HTTPS of watcher-api, with [api] enable_ssl_api",
        [
            cfg.StrOpt("cert_file", help="Path of the certificate (PEM)."),
            cfg.StrOpt("key_file", help="Path of the private key (PEM)."),
            cfg.StrOpt("ca_file", help="Path of the chain of certificates above it (PEM)."),
        ],
    ),
)

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_VERSION_HEADERS = [
    microversions.HEADER,
    "OpenStack-API-Minimum-Version",
    "OpenStack-API-Maximum-Version",
]
_IDENTITY_HEADERS = [
    *("X-Auth-Token", "X-Identity-Status", "X-Roles", "X-Service-Catalog"),
    *("X-User-Id", "X-Tenant-Id", "X-OpenStack-Request-ID"),
]


def set_defaults() -> None:
    """Our defaults of oslo.middleware's options: what pages of other origins may send and read."""
    cors.set_defaults(
        allow_headers=[*_IDENTITY_HEADERS, microversions.HEADER],
        expose_headers=[
            *("X-Auth-Token", "X-Subject-Token", "X-Service-Token", "X-OpenStack-Request-ID"),
            *_VERSION_HEADERS,
        ],
        allow_methods=["GET", "PUT", "POST", "DELETE", "PATCH"],
    )


def make_app(conf: cfg.ConfigOpts, database: Database, bus: Bus) -> Wsgi:
    """The whole application, with or without Keystone by ``[DEFAULT] enable_authentication``."""
    api = expose.Api(conf, database, Policy(conf), rpc.DecisionEngine(bus), rpc.Applier(bus))
    application: Wsgi = pecan.Pecan(
        Root(api),
        hooks=[microversions.Microversions(), expose.Errors()],
        request_cls=Request,
        use_context_locals=False,
        force_canonical=False,
        guess_content_type_from_ext=False,
    )
    set_defaults()
    if conf.enable_authentication:
        application = Doors(application, conf)
    application = sizelimit.RequestBodySizeLimiter(application, conf)
    application = Enveloped(catch_errors.CatchErrors(application, conf))
    application = WithHealthcheck(application, conf)
    application = http_proxy_to_wsgi.HTTPProxyToWSGI(application, conf)
    application = cors.CORS(application, conf)
    return measured.Measured(request_id.RequestId(application, conf))


class Request(webob.Request):
    """What pecan hands on; the body is read by ``expose``, strictly, and not guessed at."""

    json = property(lambda _self: {})
    params = property(lambda self: self.GET)


class Doors:
    """Keystone's token check for all paths but the version document and, if so set, webhooks."""

    def __init__(self, application: Wsgi, conf: cfg.ConfigOpts) -> None:
        self.open = application
        self.guarded: Wsgi = auth_token.AuthProtocol(application, {"oslo_config_config": conf})
        self.public = () if conf.api.enable_webhooks_auth else ("/v1/webhooks/",)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer a request, through the token check where there is one."""
        path = environ.get("PATH_INFO", "")
        public = path in ("", "/") or path.startswith(self.public)
        return (self.open if public else self.guarded)(environ, start_response)


class Enveloped:
    """Gives errors of the layers inside, such as too large a body, the form of all our errors."""

    def __init__(self, application: Wsgi) -> None:
        self.application = application

    @webob.dec.wsgify
    def __call__(self, request: webob.Request) -> webob.Response:
        """Answer a request."""
        response = request.get_response(self.application)
        return expose.enveloped(response)


class WithHealthcheck:
    """Answers ``/healthcheck`` for load balancers, without token and version."""

    def __init__(self, application: Wsgi, conf: cfg.ConfigOpts) -> None:
        self.application = application
        self.healthcheck: Wsgi = Healthcheck(None, conf)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """Answer a request."""
        asked = environ.get("PATH_INFO") == "/healthcheck"
        if asked:
            environ[measured.ROUTE] = "/healthcheck"
        return (self.healthcheck if asked else self.application)(environ, start_response)
