# SPDX-License-Identifier: Apache-2.0
"""What a server's body means."""

from typing import Any

import pytest

from tests.unit.clients.cloud import nova, versions
from watcher.clients.nova import Nova, Server, epoch_s


def body(flavor: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """An entry of GET /servers/detail as the API reference shows it."""
    size = {"vcpus": 2, "ram": 4096, "disk": 20, "ephemeral": 0, "swap": 0}
    return {
        "id": "11111111-1111-1111-1111-111111111111",
        "name": "web",
        "status": "ACTIVE",
        "tenant_id": "p1",
        "metadata": {"role": "web"},
        "image": {"id": "i1"},
        "flavor": {"original_name": "m1", "extra_specs": {"a": "b"}, **size, **(flavor or {})},
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-01-02T00:00:00Z",
        "locked": False,
        "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:task_state": None,
        "OS-EXT-SRV-ATTR:host": "c1",
        "OS-EXT-SRV-ATTR:hypervisor_hostname": "c1.example.org",
        "OS-EXT-SRV-ATTR:instance_name": "instance-0000000a",
        "os-extended-volumes:volumes_attached": [{"id": "v1"}],
        **changes,
    }


@pytest.mark.parametrize(
    ("image", "flavor", "disk_gb"),
    [
        ({"id": "i"}, {"disk": 20}, 20),
        ("", {"disk": 20}, 0),
        ({"id": "i"}, {"disk": 20, "ephemeral": 5}, 25),
        ({"id": "i"}, {"disk": 20, "swap": 1}, 21),
        ({"id": "i"}, {"disk": 20, "swap": 1024}, 21),
        ({"id": "i"}, {"disk": 20, "swap": 1025}, 22),
        ("", {"disk": 20, "ephemeral": 5, "swap": 2048}, 7),
        ({"id": "i"}, {"disk": 20, "swap": ""}, 20),
    ],
)
def test_the_disk_is_what_the_host_gives_root_ephemeral_and_whole_gib_of_swap(
    image: Any, flavor: dict[str, Any], disk_gb: int
) -> None:
    assert Server.of(body(flavor, image=image)).disk_gb == disk_gb


def test_both_host_names_are_kept_apart() -> None:
    server = Server.of(body())
    assert (server.host, server.hypervisor_hostname) == ("c1", "c1.example.org")


def test_what_is_not_there_is_empty() -> None:
    server = Server.of(body(**{"OS-EXT-SRV-ATTR:host": None}))
    assert (server.host, server.task_state, server.pinned_zone, server.fault) == ("", "", "", "")


def test_the_fault_and_the_pinned_zone_are_taken_when_they_are_there() -> None:
    server = Server.of(body(fault={"message": "No valid host"}, pinned_availability_zone="az1"))
    assert (server.fault, server.pinned_zone) == ("No valid host", "az1")


def test_a_body_without_what_only_admins_see_is_a_key_error_with_its_name() -> None:
    seen_by_member = body()
    del seen_by_member["OS-EXT-SRV-ATTR:host"]
    with pytest.raises(KeyError, match="OS-EXT-SRV-ATTR:host"):
        Server.of(seen_by_member)


def test_before_2_96_the_zone_of_an_instance_is_the_one_it_keeps() -> None:
    older = body(**{"OS-EXT-AZ:availability_zone": "az1"})
    assert Server.of(older).pinned_zone == "az1"
    assert Server.of({**older, "pinned_availability_zone": None}).pinned_zone == ""


def test_a_service_of_a_cell_that_is_down_has_no_id() -> None:
    row = {"binary": "nova-compute", "host": "c1", "status": "UNKNOWN"}
    with nova(
        {"/": [(200, versions("2.96"))], "/os-services": [(200, {"services": [row]})]}
    ) as clients:
        (service,) = Nova(clients).services()
    assert (service.uuid, service.host, service.enabled, service.up) == ("", "c1", False, False)


def test_discovery_that_fails_for_a_moment_is_tried_again() -> None:
    discovery = [(503, {}), (503, {}), (200, versions("2.79"))]
    with nova({"/": discovery, "/os-services": [(200, {"services": []})]}) as clients:
        client = Nova(clients)
        assert client.services() == []
    assert client._newest == (2, 79)


def test_moments_are_whole_seconds_since_the_epoch() -> None:
    assert epoch_s("1970-01-01T00:01:00Z") == 60
    assert epoch_s("1970-01-01T00:01:00.9") == 60
    assert epoch_s("1970-01-01T01:00:00+01:00") == 0
    assert epoch_s(None) == 0
