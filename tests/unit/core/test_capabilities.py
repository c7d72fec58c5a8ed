# SPDX-License-Identifier: Apache-2.0
import pytest

from watcher.core.capabilities import satisfies


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("fast", "fast"),
        (["slow", "fast"], "fast"),
        (10, "= 8"),
        (10, ">= 10"),
        ("4", "<= 4.0"),
        (3, "== 3"),
        (3, "!= 4"),
        ("abc", "s== abc"),
        ("abc", "s!= abd"),
        ("abc", "s< abd"),
        ("ssd nvme", "<in> nvme"),
        (True, "<is> True"),
        ("yes", "<is> true"),
        (False, "<is> no"),
        ("b", "<or> a <or> b"),
        ("", ""),
    ],
)
def test_a_capability_that_fits(value, wanted):
    assert satisfies({"key": value}, {"key": wanted})


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("fast", "slow"),
        (["slow", "fast"], "gold"),
        (7, "= 8"),
        ("many", ">= 10"),
        (7, "<in> 8"),
        (True, "<is> False"),
        ("c", "<or> a <or> b"),
        (None, "= 8"),
        (7, "="),
        (3, "s< 4"),
    ],
)
def test_a_capability_that_does_not_fit(value, wanted):
    assert not satisfies({"key": value}, {"key": wanted})


def test_a_type_without_extra_specs_fits_everywhere():
    assert satisfies({}, {})


def test_a_capability_that_is_not_told_does_not_fit():
    assert not satisfies({}, {"volume_backend_name": "fast"})


def test_the_scope_capabilities_is_looked_into():
    held = {"media": {"kind": "ssd"}}
    assert satisfies(held, {"capabilities:media:kind": "ssd"})
    assert not satisfies(held, {"capabilities:media:kind:more": "ssd"})


def test_another_scope_is_for_the_driver_and_judges_nothing():
    assert satisfies({}, {"provisioning:type": "thin"})
