# SPDX-License-Identifier: Apache-2.0
"""The keys of every resource, form and microversion (contract rest-api 12 to 19).

A change here changes what clients see: it needs a new microversion and a release note.
"""

from types import SimpleNamespace

import pytest

from watcher.api import microversions, views
from watcher.api.resources import data_model
from watcher.api.root import FAMILIES
from watcher.api.views import Resource

STAMPS = "created_at updated_at deleted_at"
TIMES = "start_time end_time"
BRIEF = {
    "goals": "uuid name display_name efficacy_specification",
    "strategies": "uuid name display_name goal_uuid goal_name",
    "audit_templates": "uuid name goal_uuid goal_name strategy_uuid strategy_name scope",
    "audits": "uuid name audit_type state goal_uuid goal_name strategy_uuid strategy_name"
    " interval scope auto_trigger next_run_time force",
    "action_plans": "uuid audit_uuid strategy_uuid strategy_name state efficacy_indicators"
    " global_efficacy updated_at",
    "actions": "uuid action_plan_uuid action_type state parents",
    "scoring_engines": "uuid name description",
    "services": "id name host status",
}
FULL = {
    "goals": STAMPS,
    "strategies": "parameters_spec",
    "audit_templates": f"description {STAMPS}",
    "audits": f"parameters hostname {STAMPS}",
    "action_plans": f"hostname {STAMPS}",
    "actions": f"description input_parameters {STAMPS}",
    "scoring_engines": "metainfo",
    "services": f"last_seen_up {STAMPS}",
}
SINCE = {
    "audits": {1: TIMES, 5: "status_message", 8: "on_failure", 9: "why_not", 12: "dry_run"},
    "action_plans": {5: "status_message", 8: "on_failure", 12: "dry_run"},
    "actions": {5: "status_message", 8: "undoes"},
    "audit_templates": {7: "default_parameters"},
}
PATCHABLE = {
    "audits": f"name state parameters interval auto_trigger force on_failure {TIMES}",
    "audit_templates": "name description scope default_parameters",
    "action_plans": "state",
    "actions": "state status_message",
}
RESOURCES = {
    found.collection: found
    for module, _ in FAMILIES.values()
    for found in vars(module).values()
    if isinstance(found, Resource)
}


def keys(resource: Resource, minor: int, detail: bool) -> set[str]:
    version = microversions.VERSIONS[minor]
    return {
        attribute.name
        for attribute in views.attributes(resource.view)
        if attribute.since <= version and (detail or attribute.brief)
    }


@pytest.mark.parametrize("minor", range(len(microversions.VERSIONS)))
@pytest.mark.parametrize("collection", BRIEF)
def test_a_form_has_exactly_these_keys(collection: str, minor: int) -> None:
    resource = RESOURCES[collection]
    brief = set(BRIEF[collection].split())
    later = SINCE.get(collection, {})
    added = {name for since, names in later.items() if minor >= since for name in names.split()}
    assert keys(resource, minor, detail=False) == brief
    assert keys(resource, minor, detail=True) == brief | set(FULL[collection].split()) | added


def test_there_are_no_other_collections() -> None:
    assert set(RESOURCES) == set(BRIEF)


@pytest.mark.parametrize("collection", BRIEF)
def test_only_these_attributes_can_be_patched(collection: str) -> None:
    assert set(views.patchable(RESOURCES[collection].view)) == set(
        PATCHABLE.get(collection, "").split()
    )


def test_rows_of_the_data_model_are_frozen_per_microversion() -> None:
    assert len(data_model.NODE) == 14
    assert len(data_model.SERVER) == 10
    assert {"server_pinned_az", "server_flavor_extra_specs"} == set(data_model.EXTENDED)


def test_the_version_documents_name_these_families() -> None:
    first = "audit_templates audits actions action_plans scoring_engines services goals strategies"
    since = {name: str(version) for name, (_, version) in FAMILIES.items()}
    expected = {**dict.fromkeys(first.split(), "1.0"), "data_model": "1.3", "webhooks": "1.4"}
    assert since == expected


def test_links_of_an_item_are_self_then_bookmark_without_prefix() -> None:
    row = SimpleNamespace(id=7, name="n", host="h", status="ACTIVE", last_seen_up=None)
    row.created_at = row.updated_at = row.deleted_at = None
    shown = views.render(
        RESOURCES["services"], row, microversions.BASE, "https://cloud:9322", detail=True
    )
    assert shown["links"] == [
        {"href": "https://cloud:9322/v1/services/7", "rel": "self"},
        {"href": "https://cloud:9322/services/7", "rel": "bookmark"},
    ]
