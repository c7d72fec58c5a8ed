# SPDX-License-Identifier: Apache-2.0
"""Compute services switched in the simulated Nova, by the handler alone."""

import threading
from typing import Any

import pytest

from tests.functional.applier.conftest import Lab
from watcher.actions.change_nova_service_state import ChangeNovaServiceState
from watcher.core.errors import ActionFailed, Skip
from watcher.simulator.world import Host


def handler(lab: Lab, host: Host, state: str, **more: Any) -> ChangeNovaServiceState:
    parameters = {"resource_id": host.uuid, "resource_name": host.name, "state": state, **more}
    return ChangeNovaServiceState(lab.clients, parameters, threading.Event())


@pytest.fixture
def host(lab: Lab) -> Host:
    """An enabled host."""
    return next(one for one in lab.simulator.world.hosts.values() if one.enabled)


def test_a_host_is_disabled_with_the_reason_and_enabled_again(lab: Lab, host: Host) -> None:
    change = handler(lab, host, "disabled", disabled_reason="watcher_maintaining")
    assert change.check() == {"enabled": True, "disabled_reason": ""}
    change.perform()
    assert (host.enabled, host.disabled_reason) == (False, "watcher_maintaining")
    back = handler(lab, host, "enabled")
    assert back.check() == {"enabled": False, "disabled_reason": "watcher_maintaining"}
    back.perform()
    assert host.enabled


@pytest.mark.parametrize("state", ["enabled", "disabled"])
def test_a_host_that_is_so_already_is_skipped(lab: Lab, host: Host, state: str) -> None:
    host.enabled = state == "enabled"
    with pytest.raises(Skip, match=f"host {host.name} is {state} already"):
        handler(lab, host, state).check()


def test_an_unknown_host_is_skipped(lab: Lab, host: Host) -> None:
    with pytest.raises(Skip, match="Compute service on host nowhere could not be found"):
        handler(lab, host, "disabled", resource_name="nowhere").check()


@pytest.mark.parametrize("state", ["up", "down"])
def test_what_nova_measures_cannot_be_set(lab: Lab, host: Host, state: str) -> None:
    with pytest.raises(ActionFailed, match=f"state {state} of host {host.name} .* cannot be set"):
        handler(lab, host, state).check()


@pytest.mark.parametrize("reason", ["disk is dying", None])
def test_a_host_disabled_by_somebody_else_is_not_enabled(
    lab: Lab, host: Host, reason: str | None
) -> None:
    host.enabled, host.disabled_reason = False, reason
    with pytest.raises(ActionFailed, match=f"host {host.name} was not disabled by Watcher"):
        handler(lab, host, "enabled").check()


@pytest.mark.parametrize("state", ["enabled", "disabled"])
def test_undo_restores_the_former_status_and_reason(lab: Lab, host: Host, state: str) -> None:
    if state == "enabled":
        host.enabled, host.disabled_reason = False, "watcher_maintaining"
    before = (host.enabled, host.disabled_reason)
    change = handler(lab, host, state)
    change.check()
    assert change.undo() == ""
    change.perform()
    assert change.undo().endswith("again")
    assert (host.enabled, host.disabled_reason) == before


def test_only_a_host_that_is_not_empty_is_made_good(lab: Lab) -> None:
    world = lab.simulator.world
    full = world.hosts[lab.server().host]
    change = handler(lab, full, "disabled", disabled_reason="watcher_disabled")
    change.check()
    change.perform()
    wanted = change.compensation()
    assert wanted is not None
    assert wanted.input_parameters == {
        "resource_id": full.uuid,
        "resource_name": full.name,
        "state": "enabled",
    }
    full.enabled = True
    assert change.compensation() is None
    full.enabled = False
    for one in [one for one in world.servers.values() if one.host == full.name]:
        lab.simulator.delete_server(one.uuid)
    assert change.compensation() is None
    maintained = handler(lab, full, "disabled", disabled_reason="watcher_maintaining")
    assert maintained.compensation() is None


def test_our_own_reason_is_changed_and_put_back(lab: Lab, host: Host) -> None:
    host.enabled, host.disabled_reason = False, "watcher_disabled"
    change = handler(lab, host, "disabled", disabled_reason="watcher_maintaining")
    change.check()
    change.perform()
    assert (host.enabled, host.disabled_reason) == (False, "watcher_maintaining")
    assert change.undo() == f"host {host.name} was disabled again"
    assert host.disabled_reason == "watcher_disabled"


def test_the_reason_of_somebody_else_is_left_alone(lab: Lab, host: Host) -> None:
    host.enabled, host.disabled_reason = False, "disk is dying"
    with pytest.raises(Skip, match="disabled already"):
        handler(lab, host, "disabled", disabled_reason="watcher_maintaining").check()
