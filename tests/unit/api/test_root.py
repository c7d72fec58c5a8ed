# SPDX-License-Identifier: Apache-2.0
from watcher.api import root


def test_a_path_has_one_operation_per_method() -> None:
    table = root.routes()
    assert sum(len(methods) for methods in table.values()) == len(list(root.operations()))


def test_the_table_is_the_contracts() -> None:
    listed = {
        "/".join(part or "{}" for part in path): "".join(sorted(method[:2] for method in methods))
        for path, methods in root.routes().items()
    }
    read = {
        f"{name}{tail}": "GE"
        for name in ("goals", "strategies", "scoring_engines", "services")
        for tail in ("", "/detail", "/{}")
    }
    assert listed == {
        **read,
        "strategies/{}/state": "GE",
        "audit_templates": "GEPO", "audit_templates/detail": "GE", "audit_templates/{}": "DEGEPA",
        "audits": "GEPO", "audits/detail": "GE", "audits/{}": "DEGEPA",
        "action_plans": "GE", "action_plans/detail": "GE", "action_plans/{}": "DEGEPA",
        "action_plans/{}/start": "PO", "action_plans/{}/retry": "PO",
        "action_plans/{}/report": "GE",
        "actions": "GE", "actions/detail": "GE", "actions/{}": "GEPA",
        "data_model": "GE", "webhooks/{}": "PO",
    }  # fmt: skip
