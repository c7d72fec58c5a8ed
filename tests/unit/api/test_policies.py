# SPDX-License-Identifier: Apache-2.0
import pytest
from oslo_config import cfg

from watcher.api.policies import Policy, get_enforcer, list_rules
from watcher.api.root import operations
from watcher.context import RequestContext
from watcher.core.errors import Forbidden


def context(*roles: str) -> RequestContext:
    return RequestContext(user_id="u", roles=list(roles))


@pytest.fixture
def policy() -> Policy:
    conf = cfg.ConfigOpts()
    conf([], default_config_files=[], default_config_dirs=[])
    return Policy(conf)


def test_every_operation_has_its_rule_and_every_rule_its_operation() -> None:
    documented = {rule.name for rule in list_rules() if ":" in rule.name}
    assert documented == {operation.rule for operation in operations()}


def test_a_rule_names_the_path_of_its_operation() -> None:
    paths = {
        operation.rule: (operation.method, "/".join(operation.path)) for operation in operations()
    }
    for rule in list_rules():
        if ":" in rule.name:
            (told,) = rule.operations
            method, path = paths[rule.name]
            assert told["method"] == method
            assert told["path"].split("/")[2] == path.split("/")[0]
            assert told["path"].count("/") == path.count("/") + 2


@pytest.mark.parametrize("role", ["admin", "administrator", "ADMIN"])
def test_administrators_may_all(policy: Policy, role: str) -> None:
    for rule in list_rules():
        if rule.name != "show_password":
            policy.check(context(role), rule.name)


def test_a_service_may_trigger_webhooks_only(policy: Policy) -> None:
    may = {rule.name for rule in list_rules() if policy.allows(context("service"), rule.name)}
    assert may == {"admin_or_service_api", "webhook:trigger"}


def test_others_are_told_the_rule(policy: Policy) -> None:
    with pytest.raises(Forbidden, match="audit:create"):
        policy.check(context("member"), "audit:create")


def test_the_tools_of_oslo_policy_see_the_rules() -> None:
    assert set(get_enforcer().registered_rules) == {rule.name for rule in list_rules()}


@pytest.mark.parametrize("scope", [{"system_scope": "all"}, {"domain_id": "d"}])
def test_an_administrator_of_the_system_or_a_domain_may_nothing(
    policy: Policy, scope: dict[str, str]
) -> None:
    elsewhere = RequestContext(user_id="u", roles=["admin"], **scope)
    for rule in list_rules():
        if ":" in rule.name:
            assert rule.scope_types == ["project"]
            assert not policy.allows(elsewhere, rule.name)
