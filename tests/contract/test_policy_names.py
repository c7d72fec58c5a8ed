# SPDX-License-Identifier: Apache-2.0
"""The policy rules that operators override and the dashboard ships (contract rest-api 3.2)."""

from watcher.api.policies import list_rules

ADMIN = """
goal:get_all goal:detail goal:get
strategy:get_all strategy:detail strategy:get strategy:state
audit_template:create audit_template:delete audit_template:detail audit_template:get
audit_template:get_all audit_template:update
audit:create audit:delete audit:detail audit:get audit:get_all audit:update
action_plan:delete action_plan:detail action_plan:get action_plan:get_all action_plan:update
action_plan:start action_plan:retry
action:detail action:get action:get_all action:update
scoring_engine:detail scoring_engine:get scoring_engine:get_all
service:detail service:get service:get_all
data_model:get_all
"""


def test_names_and_defaults_are_the_contracts() -> None:
    assert {rule.name: rule.check_str for rule in list_rules()} == {
        "admin_api": "role:admin or role:administrator",
        "admin_or_service_api": "rule:admin_api or role:service",
        "show_password": "!",
        **dict.fromkeys(ADMIN.split(), "rule:admin_api"),
        "webhook:trigger": "rule:admin_or_service_api",
    }
