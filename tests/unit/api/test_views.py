# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace
from typing import Any

import pytest
import wsme.types

from watcher.api import microversions, types, views
from watcher.api.root import FAMILIES
from watcher.api.views import Resource, View, attr

EVERY = [
    found
    for module, _ in FAMILIES.values()
    for found in vars(module).values()
    if isinstance(found, Resource)
]


class HouseView(View):
    uuid = attr(types.text)
    street = attr(types.text, "street.name")
    rooms = attr(types.lists, lambda row: [room.upper() for room in row.rooms])
    roof = attr(types.text, since=microversions.FORCE, brief=False, patch=True)


HOUSES = Resource("houses", SimpleNamespace, HouseView, frozenset())
HOUSE = SimpleNamespace(
    uuid="u", street=SimpleNamespace(name="Elm"), rooms=["hall"], roof="red", cellar="secret"
)


def shown(version: Any, detail: bool, row: Any = HOUSE) -> dict[str, Any]:
    return views.render(HOUSES, row, version, "http://h", detail=detail)


def test_a_row_is_rendered_by_its_view() -> None:
    assert shown(microversions.LATEST, True) == {
        "uuid": "u",
        "street": "Elm",
        "rooms": ["HALL"],
        "roof": "red",
        "links": [
            {"href": "http://h/v1/houses/u", "rel": "self"},
            {"href": "http://h/houses/u", "rel": "bookmark"},
        ],
    }


def test_old_versions_and_brief_lists_leave_attributes_out() -> None:
    assert "roof" not in shown(microversions.TIMES, True)
    assert "roof" not in shown(microversions.LATEST, False)
    assert "roof" in shown(microversions.FORCE, True)


def test_behind_a_missing_relation_is_null() -> None:
    row = SimpleNamespace(**{**vars(HOUSE), "street": None})
    assert shown(microversions.BASE, True, row)["street"] is None


def test_only_marked_attributes_are_patchable() -> None:
    assert views.patchable(HouseView) == {"roof": types.text}


@pytest.mark.parametrize("resource", EVERY, ids=lambda found: found.collection)
def test_views_have_no_defaults_and_known_sort_keys(resource: Resource) -> None:
    for attribute in views.attributes(resource.view):
        assert attribute.default is wsme.types.Unset
        assert not attribute.mandatory
    columns = set(resource.model.__table__.columns.keys())
    joined = {"goal", "strategy", "audit", "action_plan"}
    for key in resource.sort_keys - columns:
        assert key.rpartition("_")[0] in joined
