# SPDX-License-Identifier: Apache-2.0
"""watcher.conf for tests: groups of options as text, and what every simulated cloud needs."""

from __future__ import annotations

from collections.abc import Mapping

from watcher.simulator.server import Simulator

Groups = Mapping[str, Mapping[str, object]]


def text(groups: Groups, **more: object) -> str:
    """The file; ``group__option=value`` adds or replaces an option."""
    options = {group: dict(given) for group, given in groups.items()}
    for name, value in more.items():
        group, _, option = name.partition("__")
        options.setdefault(group, {})[option] = value
    lines = []
    for group, given in options.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in given.items())]
    return "\n".join(lines) + "\n"


def simulated(
    simulator: Simulator, database: str, transport: str, host: str, **more: object
) -> str:
    """A watcher.conf for any daemon on a simulated cloud, which notices the dead within seconds."""
    login = {
        "auth_url": simulator.urls.identity,
        "username": "watcher",
        "password": "watcher",
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    return wired(login, database, transport, host, **more)


def wired(
    login: Mapping[str, str], database: str, transport: str, host: str, **more: object
) -> str:
    """A watcher.conf for any daemon on a cloud that it logs in to so."""
    auth = {"auth_type": "password", **login}
    groups: Groups = {
        "DEFAULT": {"transport_url": transport, "host": host},
        "database": {"connection": database},
        "keystone_authtoken": {"www_authenticate_uri": login["auth_url"], **auth},
        "watcher_clients_auth": auth,
        "oslo_messaging_notifications": {"driver": "messagingv2"},
    }
    return text(groups, **more)
