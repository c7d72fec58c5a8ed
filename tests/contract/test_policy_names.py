# SPDX-License-Identifier: Apache-2.0
"""The policy rules that operators override and the dashboard ships (contract rest-api 3.2)."""

import pathlib

import yaml
from oslo_config import cfg
from oslo_policy import generator

from watcher.api.policies import list_rules

ADMIN = """
goal:get_all goal:detail goal:get
strategy:get_all strategy:detail strategy:get strategy:state
audit_template:create audit_template:delete audit_template:detail audit_template:get
audit_template:get_all audit_template:update
audit:create audit:delete audit:detail audit:get audit:get_all audit:update
action_plan:delete action_plan:detail action_plan:get action_plan:get_all action_plan:update
action_plan:start action_plan:report action_plan:retry
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


def test_the_sample_file_holds_every_rule_with_its_default_scope_and_path(
    tmp_path: pathlib.Path,
) -> None:
    sample = tmp_path / "policy.yaml.sample"
    generator.generate_sample(
        ["--namespace", "watcher", "--output-file", str(sample)], conf=cfg.ConfigOpts()
    )
    text = sample.read_text()
    assert not [line for line in text.splitlines() if line and not line.startswith("#")]
    active = "\n".join(line[1:] for line in text.splitlines() if line.startswith('#"'))
    assert yaml.safe_load(active) == {rule.name: rule.check_str for rule in list_rules()}
    for rule in list_rules():
        for operation in getattr(rule, "operations", ()):
            assert f"# {operation['method']}  {operation['path']}\n" in text
    assert text.count("# Intended scope(s): project") == len(ADMIN.split()) + 1
