# SPDX-License-Identifier: Apache-2.0
"""A configuration that logs in at a store which plays Keystone too."""

from typing import Any

from keystoneauth1 import loading
from oslo_config import cfg

from tests.unit.datasources.server import Act, reply
from watcher import config

SHARED = "watcher_clients_auth"


def configuration(group: str, **options: Any) -> cfg.ConfigOpts:
    """All options at their defaults but these of a group; no time between tries."""
    found = cfg.ConfigOpts()
    config.register(found)
    found([], default_config_files=[])
    found.set_override("query_interval", 0, "watcher_datasources")
    for name, value in options.items():
        found.set_override(name, value, group)
    return found


def logged_in(url: str, group: str, **options: Any) -> cfg.ConfigOpts:
    """The same with a password for the Keystone at this URL."""
    found = configuration(group, **options)
    login = {
        "auth_type": "v3password",
        "auth_url": f"{url}/v3",
        "username": "w",
        "password": "p",
        "user_domain_id": "default",
        "project_name": "service",
        "project_domain_id": "default",
    }
    loading.register_auth_conf_options(found, SHARED)
    found.register_opts(loading.get_auth_plugin_conf_options("v3password"), group=SHARED)
    for name, value in login.items():
        found.set_override(name, value, SHARED)
    return found


def token(*catalog: tuple[str, str]) -> Act:
    """Keystone's answer to a login; the catalog has (type, URL) pairs."""
    services = [
        {
            "type": kind,
            "name": kind,
            "id": kind,
            "endpoints": [
                {"interface": "public", "url": url, "region": "R", "region_id": "R", "id": kind}
            ],
        }
        for kind, url in catalog
    ]
    body = {
        "token": {
            "methods": ["password"],
            "expires_at": "2099-01-01T00:00:00.000000Z",
            "user": {"id": "u", "name": "w", "domain": {"id": "d", "name": "D"}},
            "catalog": services,
            "issued_at": "2026-01-01T00:00:00.000000Z",
        }
    }
    return reply(body, 201, X_Subject_Token="a-token")
