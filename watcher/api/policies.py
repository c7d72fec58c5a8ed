# SPDX-License-Identifier: Apache-2.0
"""Who may do what: the policy rules as one table (contract: rest-api 3.2).

The names are what operators write into ``policy.yaml`` and what the dashboard ships. Resources are
global: there is no isolation by project, so a rule looks at roles only. As everywhere in OpenStack
but for Keystone, the roles must be those of a project: a token for a domain or for the system may
do nothing.
"""

import argparse
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from watcher.core.errors import Forbidden

ADMIN = "rule:admin_api"

_BASE = (
    policy.RuleDefault(
        "admin_api", "role:admin or role:administrator", description="An administrator."
    ),
    policy.RuleDefault(
        "admin_or_service_api",
        "rule:admin_api or role:service",
        description="An administrator, or a service acting for itself.",
    ),
    policy.RuleDefault(
        "show_password", "!", description="Not used; kept because older policy files name it."
    ),
)

_LISTED = ("get_all", "detail", "get")
_RULES: dict[str, tuple[str, ...]] = {
    "goals": _LISTED,
    "strategies": (*_LISTED, "state"),
    "audit_templates": (*_LISTED, "create", "update", "delete"),
    "audits": (*_LISTED, "create", "update", "delete"),
    "action_plans": (*_LISTED, "report", "update", "start", "retry", "delete"),
    "actions": (*_LISTED, "update"),
    "scoring_engines": _LISTED,
    "services": _LISTED,
    "data_model": ("get_all",),
    "webhooks": ("trigger",),
}
_PREFIXES = {"strategies": "strategy", "data_model": "data_model"}
_CHECKS = {"webhook:trigger": "rule:admin_or_service_api"}
_VERBS = {
    "get_all": ("GET", "", "List the {}."),
    "detail": ("GET", "/detail", "List the {} with details."),
    "get": ("GET", "/{ident}", "Show one of the {}."),
    "state": ("GET", "/{ident}/state", "Show whether what one of the {} needs is there."),
    "report": ("GET", "/{ident}/report", "Show the report of one of the {}."),
    "create": ("POST", "", "Create one of the {}."),
    "update": ("PATCH", "/{ident}", "Change one of the {}."),
    "delete": ("DELETE", "/{ident}", "Delete one of the {}."),
    "start": ("POST", "/{ident}/start", "Start one of the {}."),
    "retry": ("POST", "/{ident}/retry", "Start what is left of one of the {} as a new one."),
    "trigger": ("POST", "/{ident}", "Run an audit that waits for an event."),
}


def list_rules() -> list[policy.RuleDefault]:
    """Every rule with its default and its operation, for ``oslopolicy-sample-generator``."""
    return [
        *_BASE,
        *(_rule(collection, verb) for collection, verbs in _RULES.items() for verb in verbs),
    ]


def get_enforcer() -> policy.Enforcer:
    """The rules in force on this machine, for ``oslopolicy-list-redundant`` and its like.

    They call it without a word, so what their command line says of files is looked up there.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--config-file", "--config-dir"):
        parser.add_argument(option, action="append", default=[])
    chosen, _ = parser.parse_known_args()
    files = [f"--config-file={path}" for path in chosen.config_file]
    folders = [f"--config-dir={path}" for path in chosen.config_dir]
    conf = cfg.ConfigOpts()
    conf([*files, *folders], project="watcher")
    return Policy(conf).enforcer


def _rule(collection: str, verb: str) -> policy.DocumentedRuleDefault:
    name = f"{_PREFIXES.get(collection, collection.removesuffix('s'))}:{verb}"
    method, path, meaning = _VERBS[verb]
    return policy.DocumentedRuleDefault(
        name,
        _CHECKS.get(name, ADMIN),
        meaning.format(collection.replace("_", " ")),
        [{"method": method, "path": f"/v1/{collection}{path}"}],
        scope_types=["project"],
    )


class Policy:
    """The rules in force: the defaults, overridden by the operator's policy file and folder."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self.enforcer = policy.Enforcer(conf)
        self.enforcer.register_defaults(list_rules())

    def check(self, context: Any, rule: str) -> None:
        """Raise Forbidden, naming the rule, when the caller may not."""
        if not self.allows(context, rule):
            raise Forbidden(f"policy does not allow {rule} to be performed")

    def allows(self, context: Any, rule: str) -> bool:
        """Whether the caller may."""
        return bool(self.enforcer.authorize(rule, {}, context))
