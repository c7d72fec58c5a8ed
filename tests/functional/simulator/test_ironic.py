# SPDX-License-Identifier: Apache-2.0
"""The simulated Ironic answers as https://docs.openstack.org/api-ref/baremetal/ says."""

import pytest
from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from tests.functional.simulator.bench import until
from watcher.simulator.server import Simulator


@pytest.fixture
def api(session: Session) -> Adapter:
    """Found by the catalog's root and the versions there, as keystoneauth does."""
    return Adapter(
        session,
        service_type="baremetal",
        min_version="1",
        max_version="latest",
        default_microversion="1.31",
    )


def test_nodes_are_listed_in_pages_and_with_the_fields_asked_for(
    simulator: Simulator, api: Adapter
) -> None:
    found: list[str] = []
    query = {"limit": "5", "fields": "uuid,power_state,extra"}
    while True:
        page = api.get("/nodes", params=query).json()
        found += [one["uuid"] for one in page["nodes"]]
        assert all(set(one) == {"uuid", "power_state", "extra"} for one in page["nodes"])
        if "next" not in page:
            break
        query["marker"] = found[-1]
    assert found == sorted(simulator.ironic.nodes)


def test_a_change_of_power_is_accepted_and_takes_its_time(
    simulator: Simulator, api: Adapter
) -> None:
    node = next(iter(simulator.ironic.nodes.values()))
    answer = api.put(f"/nodes/{node.uuid}/states/power", json={"target": "power off"})
    assert answer.status_code == 202
    states = api.get(f"/nodes/{node.uuid}/states").json()
    assert (states["power_state"], states["target_power_state"]) == ("power on", "power off")
    with pytest.raises(exceptions.Conflict):
        api.put(f"/nodes/{node.uuid}/states/power", json={"target": "power on"})
    until(lambda: api.get(f"/nodes/{node.uuid}").json()["power_state"] == "power off", "off")
    assert not simulator.world.hosts[node.host].up


def test_what_cannot_be_is_refused(simulator: Simulator, api: Adapter) -> None:
    node = next(iter(simulator.ironic.nodes.values()))
    path = f"/nodes/{node.uuid}/states/power"
    node.soft = False
    for target in ("soft power off", "sideways"):
        with pytest.raises(exceptions.BadRequest):
            api.put(path, json={"target": target})
    with pytest.raises(exceptions.NotFound):
        api.get("/nodes/nobody")
    with pytest.raises(exceptions.BadRequest):
        api.put(path, json={"target": "soft power off"}, microversion="1.20")


def test_maintenance_has_a_reason(simulator: Simulator, api: Adapter) -> None:
    node = next(iter(simulator.ironic.nodes.values()))
    api.put(f"/nodes/{node.uuid}/maintenance", json={"reason": "fan"})
    shown = api.get(f"/nodes/{node.host}").json()
    assert (shown["maintenance"], shown["maintenance_reason"]) == (True, "fan")
    api.delete(f"/nodes/{node.uuid}/maintenance")
    assert not api.get(f"/nodes/{node.uuid}").json()["maintenance"]
