# SPDX-License-Identifier: Apache-2.0
"""What Watcher relies on in Cinder: the same questions to the simulated and to the real one.

Both have the back ends fast and slow with a type for each.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from tests.functional.simulator.bench import until

FAST, SLOW = "storage@fast#fast", "storage@slow#slow"
VOLUME_FIELDS = {
    *("id", "name", "size", "status", "volume_type", "attachments", "availability_zone"),
    *("bootable", "multiattach", "group_id", "consistencygroup_id", "replication_status"),
    *("created_at", "os-vol-host-attr:host", "os-vol-mig-status-attr:migstat"),
    "os-vol-tenant-attr:tenant_id",
}


class Store:
    """Cinder as these tests handle it."""

    def __init__(self, session: Session) -> None:
        self.api = Adapter(session, service_type="block-storage", default_microversion="3.59")
        self.made: list[str] = []

    def get(self, path: str, **query: str) -> Any:
        return self.api.get(path, params=query).json()

    def volume(self, uuid: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/volumes/{uuid}")["volume"]
        return found

    def create(self, size_gb: int = 1, volume_type: str = "fast") -> str:
        body = {"name": "contract", "size": size_gb, "volume_type": volume_type}
        uuid = str(self.api.post("/volumes", json={"volume": body}).json()["volume"]["id"])
        self.made.append(uuid)
        until(lambda: self.volume(uuid)["status"] == "available", "the volume is there")
        return uuid

    def act(self, uuid: str, action: str, **arguments: Any) -> None:
        self.api.post(f"/volumes/{uuid}/action", json={action: arguments})

    def migrate(self, uuid: str, pool: str) -> None:
        self.act(uuid, "os-migrate_volume", host=pool, force_host_copy=False, lock_volume=True)

    def retype(self, uuid: str, name: str, policy: str = "on-demand") -> None:
        self.act(uuid, "os-retype", new_type=name, migration_policy=policy)

    def rests(self, uuid: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            one = self.volume(uuid)
            busy = one["os-vol-mig-status-attr:migstat"] in ("starting", "migrating")
            return one if one["status"] == "available" and not busy else None

        return until(look, "the volume is at rest")


def refusal(ask: Callable[[], None]) -> str:
    """What Cinder refuses a request with, as a bad one."""
    with pytest.raises(exceptions.BadRequest) as caught:
        ask()
    ((_kind, said),) = caught.value.response.json().items()
    return str(said["message"])


class CinderContract:
    """Subclasses give ``session``: an admin of a cloud with Cinder."""

    @pytest.fixture
    def store(self, session: Session) -> Iterator[Store]:
        store = Store(session)
        yield store
        for uuid in store.made:
            store.rests(uuid)
            store.api.delete(f"/volumes/{uuid}")

    def test_pools_tell_what_room_they_have(self, store: Store) -> None:
        pools = {
            one["name"]: one["capabilities"]
            for one in store.get("/scheduler-stats/get_pools", detail="true")["pools"]
        }
        assert set(pools) == {FAST, SLOW}
        for held in pools.values():
            assert held["total_capacity_gb"] >= held["free_capacity_gb"] >= 0
            assert held["volume_backend_name"] in ("fast", "slow")
            assert {"provisioned_capacity_gb", "reserved_percentage"} <= set(held)

    def test_services_are_back_ends(self, store: Store) -> None:
        rows = store.get("/os-services", binary="cinder-volume")["services"]
        assert {row["host"] for row in rows} == {"storage@fast", "storage@slow"}
        assert {(row["status"], row["state"]) for row in rows} == {("enabled", "up")}

    def test_types_have_their_extra_specs(self, store: Store) -> None:
        rows = store.get("/types", is_public="None")["volume_types"]
        specs = {row["name"]: row["extra_specs"] for row in rows}
        assert specs["fast"] == {"volume_backend_name": "fast"}
        assert specs["__DEFAULT__"] == {}

    def test_a_volume_has_the_fields_that_collectors_read(self, store: Store) -> None:
        uuid = store.create()
        rows = store.get("/volumes/detail", all_tenants="1")["volumes"]
        (row,) = [one for one in rows if one["id"] == uuid]
        assert set(row) >= VOLUME_FIELDS
        assert (row["volume_type"], row["os-vol-host-attr:host"]) == ("fast", FAST)

    def test_pages_of_volumes_are_the_whole_without_repetition(self, store: Store) -> None:
        made = {store.create() for _ in range(3)}
        found: list[str] = []
        query = {"all_tenants": "1", "limit": "2"}
        while True:
            page = store.get("/volumes/detail", **query)
            found += [one["id"] for one in page["volumes"]]
            if "volumes_links" not in page:
                break
            query["marker"] = found[-1]
        assert made <= set(found)
        assert len(found) == len(set(found))

    def test_pages_of_types_name_the_next_one_in_volume_type_links(self, store: Store) -> None:
        page = store.get("/types", is_public="None", limit="1")
        assert len(page["volume_types"]) == 1
        assert page["volume_type_links"]

    def test_a_migration_ends_in_the_pool_it_was_sent_to(self, store: Store) -> None:
        uuid = store.create(volume_type="__DEFAULT__")
        source = store.volume(uuid)["os-vol-host-attr:host"]
        target = SLOW if source == FAST else FAST
        store.migrate(uuid, target)
        after = store.rests(uuid)
        assert after["os-vol-host-attr:host"] == target
        assert after["os-vol-mig-status-attr:migstat"] == "success"
        assert after["volume_type"] == "__DEFAULT__"

    def test_a_retype_moves_a_volume_whose_pool_does_not_serve_the_type(
        self, store: Store
    ) -> None:
        uuid = store.create()
        store.retype(uuid, "slow")
        after = until(
            lambda: one if (one := store.rests(uuid))["volume_type"] == "slow" else None, "type"
        )
        assert after["os-vol-host-attr:host"] == SLOW

    def test_a_retype_may_keep_the_volume_where_it_is(self, store: Store) -> None:
        uuid = store.create()
        store.retype(uuid, "__DEFAULT__")
        after = store.rests(uuid)
        assert (after["volume_type"], after["os-vol-host-attr:host"]) == ("__DEFAULT__", FAST)

    def test_a_pool_that_does_not_serve_the_type_is_refused_later_and_silently(
        self, store: Store
    ) -> None:
        uuid = store.create()
        store.migrate(uuid, SLOW)
        after = store.rests(uuid)
        assert after["os-vol-host-attr:host"] == FAST
        assert after["os-vol-mig-status-attr:migstat"] == "error"

    def test_a_retype_without_migration_that_needs_one_changes_nothing(self, store: Store) -> None:
        uuid = store.create()
        store.retype(uuid, "slow", "never")
        after = store.rests(uuid)
        assert (after["volume_type"], after["os-vol-host-attr:host"]) == ("fast", FAST)

    def test_what_cannot_be_is_refused_at_once(self, store: Store) -> None:
        uuid = store.create()
        assert "No available service named" in refusal(
            lambda: store.migrate(uuid, "storage@nowhere#nowhere")
        )
        assert "must be different than the current one" in refusal(
            lambda: store.migrate(uuid, FAST)
        )
        assert "requested type has to be different" in refusal(lambda: store.retype(uuid, "fast"))
        with pytest.raises(exceptions.NotFound):
            store.retype(uuid, "no such type")

    def test_an_unknown_volume_is_not_found(self, store: Store) -> None:
        with pytest.raises(exceptions.NotFound, match="404"):
            store.volume("00000000-0000-4000-8000-000000000000")
