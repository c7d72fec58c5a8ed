# SPDX-License-Identifier: Apache-2.0
"""What Watcher relies on in Nova and Placement, asked of the simulator and of the real ones.

A subclass gives the fixture ``session``: a keystoneauth session of an admin in a cloud with at
least four usable hosts, twelve servers and nothing in progress. Nothing here knows which it is.
"""

from collections.abc import Iterator

import pytest
from keystoneauth1.session import Session
from novaclient import exceptions as nova_exceptions

from tests.functional.simulator.bench import Bench, until

SERVER_FIELDS = {
    "id", "name", "status", "tenant_id", "user_id", "metadata", "hostId", "image", "flavor",
    "created", "updated", "addresses", "accessIPv4", "accessIPv6", "links", "OS-DCF:diskConfig",
    "OS-EXT-AZ:availability_zone", "config_drive", "key_name", "OS-SRV-USG:launched_at",
    "OS-SRV-USG:terminated_at", "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:instance_name",
    "OS-EXT-SRV-ATTR:hypervisor_hostname", "OS-EXT-SRV-ATTR:reservation_id",
    "OS-EXT-SRV-ATTR:launch_index", "OS-EXT-SRV-ATTR:hostname", "OS-EXT-SRV-ATTR:kernel_id",
    "OS-EXT-SRV-ATTR:ramdisk_id", "OS-EXT-SRV-ATTR:root_device_name", "OS-EXT-SRV-ATTR:user_data",
    "OS-EXT-STS:task_state", "OS-EXT-STS:vm_state", "OS-EXT-STS:power_state",
    "os-extended-volumes:volumes_attached", "host_status", "locked", "locked_reason",
    "description", "tags", "trusted_image_certificates",
    "pinned_availability_zone",
}  # fmt: skip
FLAVOR_FIELDS = {"vcpus", "ram", "disk", "ephemeral", "swap", "original_name", "extra_specs"}
SIZES = {
    "vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "local_gb", "local_gb_used",
    "free_ram_mb", "free_disk_gb", "disk_available_least", "current_workload", "running_vms",
    "cpu_info",
}  # fmt: skip
MIGRATION_FIELDS = {
    "id", "uuid", "status", "instance_uuid", "migration_type", "source_compute", "source_node",
    "dest_compute", "dest_node", "dest_host", "created_at", "updated_at", "user_id", "project_id",
    "old_instance_type_id", "new_instance_type_id",
}  # fmt: skip


class NovaContract:
    """The tests; see the module."""

    @pytest.fixture
    def bench(self, session: Session) -> Iterator[Bench]:
        bench = Bench(session)
        yield bench
        for service in bench.get("/os-services", binary="nova-compute")["services"]:
            if service["disabled_reason"] == "contract test":
                bench.nova.services.enable(service["id"])

    # -- reading -------------------------------------------------------------------------------

    def test_versions_name_the_range_of_microversions(self, bench: Bench) -> None:
        data = bench.compute.get_endpoint_data()
        assert data.min_microversion == (2, 1)
        assert data.max_microversion >= (2, 96)

    def test_a_microversion_beyond_the_range_is_not_acceptable(self, bench: Bench) -> None:
        answer = bench.compute.get("/servers", microversion="2.999", raise_exc=False)
        assert answer.status_code == 406
        assert "2.999 is not supported" in answer.text

    def test_an_answer_says_its_microversion(self, bench: Bench) -> None:
        answer = bench.compute.get("/os-services", microversion="2.60")
        assert answer.headers["OpenStack-API-Version"] == "compute 2.60"
        assert answer.headers["x-compute-request-id"].startswith("req-")

    def test_a_wrong_token_is_unauthorized(self, bench: Bench) -> None:
        answer = bench.compute.get(
            "/servers", authenticated=False, headers={"X-Auth-Token": "x"}, raise_exc=False
        )
        assert answer.status_code == 401

    def test_servers_have_the_fields_that_collectors_read(self, bench: Bench) -> None:
        for server in bench.servers():
            assert set(server) - {"fault", "progress", "security_groups"} == SERVER_FIELDS
            assert set(server["flavor"]) >= FLAVOR_FIELDS
            assert server["OS-EXT-SRV-ATTR:instance_name"].startswith("instance-")

    def test_pages_of_servers_are_the_whole_without_repetition(self, bench: Bench) -> None:
        everything = [server["id"] for server in bench.servers()]
        found: list[str] = []
        query = {"all_tenants": "1", "limit": "5"}
        while True:
            page = bench.get("/servers/detail", **query)
            found += [server["id"] for server in page["servers"]]
            if "servers_links" not in page:
                break
            assert f"marker={found[-1]}" in page["servers_links"][0]["href"]
            query["marker"] = found[-1]
        assert found == everything

    def test_an_unknown_marker_is_a_bad_request(self, bench: Bench) -> None:
        with pytest.raises(nova_exceptions.BadRequest, match=r"(?i)marker"):
            bench.nova.servers.list(
                search_opts={"all_tenants": 1}, marker="00000000-0000-4000-8000-000000000000"
            )

    def test_servers_are_filtered_by_host(self, bench: Bench) -> None:
        host = bench.servers()[0]["OS-EXT-SRV-ATTR:host"]
        expected = [s["id"] for s in bench.servers() if s["OS-EXT-SRV-ATTR:host"] == host]
        found = bench.nova.servers.list(search_opts={"all_tenants": 1, "host": host})
        assert [server.id for server in found] == expected

    def test_an_unknown_server_is_not_found(self, bench: Bench) -> None:
        with pytest.raises(nova_exceptions.NotFound, match="could not be found"):
            bench.nova.servers.get("00000000-0000-4000-8000-000000000000")

    def test_hypervisors_tell_their_sizes_up_to_2_87(self, bench: Bench) -> None:
        with_sizes = bench.get("/os-hypervisors/detail", "2.87")["hypervisors"]
        assert all(set(row) >= SIZES for row in with_sizes)
        without = bench.get("/os-hypervisors/detail", "2.88")["hypervisors"]
        assert not any(set(row) & SIZES for row in without)
        assert [row["id"] for row in without] == [row["id"] for row in with_sizes]

    def test_hypervisors_services_and_providers_belong_together(self, bench: Bench) -> None:
        rows = bench.get("/os-hypervisors/detail", "2.87")["hypervisors"]
        services = {row["id"]: row for row in bench.get("/os-services")["services"]}
        providers = {
            row["uuid"]: row["name"]
            for row in bench.placement.get("/resource_providers").json()["resource_providers"]
        }
        for row in rows:
            service = services[row["service"]["id"]]
            assert service["host"] == row["service"]["host"]
            assert service["binary"] == "nova-compute"
            assert providers[row["id"]] == row["hypervisor_hostname"]

    def test_inventories_have_what_capacity_is_made_of(self, bench: Bench) -> None:
        for row in bench.get("/os-hypervisors/detail", "2.87")["hypervisors"]:
            path = f"/resource_providers/{row['id']}/inventories"
            inventories = bench.placement.get(path).json()["inventories"]
            assert inventories["VCPU"]["total"] == row["vcpus"]
            assert inventories["MEMORY_MB"]["total"] == row["memory_mb"]
            for kind in ("VCPU", "MEMORY_MB", "DISK_GB"):
                assert set(inventories[kind]) >= {"total", "reserved", "allocation_ratio"}

    def test_usages_are_the_sum_of_the_flavors(self, bench: Bench) -> None:
        host = bench.servers()[0]["OS-EXT-SRV-ATTR:host"]
        here = [s["flavor"] for s in bench.servers() if s["OS-EXT-SRV-ATTR:host"] == host]
        path = f"/resource_providers/{bench.hypervisor_uuid(host)}/usages"
        usages = bench.placement.get(path).json()["usages"]
        assert usages["VCPU"] == sum(flavor["vcpus"] for flavor in here)
        assert usages["MEMORY_MB"] == sum(flavor["ram"] for flavor in here)

    def test_aggregates_and_zones_name_service_hosts(self, bench: Bench) -> None:
        hosts = {s["host"] for s in bench.get("/os-services", binary="nova-compute")["services"]}
        aggregates = bench.get("/os-aggregates")["aggregates"]
        assert aggregates
        assert all(set(one["hosts"]) <= hosts for one in aggregates)
        zones = bench.nova.availability_zones.list(detailed=True)
        assert hosts <= {host for zone in zones for host in zone.hosts}

    # -- services ------------------------------------------------------------------------------

    def test_a_service_is_disabled_with_a_reason_and_enabled_without(self, bench: Bench) -> None:
        _server, _source, host = bench.movable()
        uuid = bench.service(host)["id"]
        bench.nova.services.disable_log_reason(uuid, "contract test")
        row = bench.service(host)
        assert (row["status"], row["disabled_reason"]) == ("disabled", "contract test")
        traits = f"/resource_providers/{bench.hypervisor_uuid(host)}/traits"

        def has_trait() -> bool:
            found = bench.placement.get(traits).json()["traits"]
            return "COMPUTE_STATUS_DISABLED" in found

        until(has_trait, "the provider has the trait")
        bench.nova.services.enable(uuid)
        row = bench.service(host)
        assert (row["status"], row["disabled_reason"]) == ("enabled", None)
        until(lambda: not has_trait(), "the provider has lost the trait")

    def test_an_unknown_service_is_not_found(self, bench: Bench) -> None:
        with pytest.raises(nova_exceptions.NotFound):
            bench.nova.services.enable("00000000-0000-4000-8000-000000000000")

    # -- live migration ------------------------------------------------------------------------

    def test_a_live_migration_ends_where_it_was_sent(self, bench: Bench) -> None:
        uuid, source, dest = bench.movable()
        bench.live(uuid, dest)
        record = bench.ended(uuid, "completed", "error")
        assert record["status"] == "completed"
        assert set(record) - {"links"} == MIGRATION_FIELDS
        assert (record["source_compute"], record["dest_compute"]) == (source, dest)
        assert record["migration_type"] == "live-migration"
        server = bench.rests(uuid)
        assert server["OS-EXT-SRV-ATTR:host"] == dest
        assert bench.providers_of(uuid) == {bench.hypervisor_uuid(dest)}
        until(lambda: not bench.providers_of(record["uuid"]), "the source is freed")

    def test_a_live_migration_is_seen_while_it_runs(self, bench: Bench) -> None:
        uuid, source, dest = bench.movable(1)
        bench.live(uuid, dest)
        server = bench.server(uuid)
        assert (server["status"], server["OS-EXT-STS:task_state"]) == ("MIGRATING", "migrating")
        assert server["OS-EXT-SRV-ATTR:host"] == source
        with pytest.raises(nova_exceptions.Conflict, match="task_state migrating"):
            bench.live(uuid, dest)
        bench.rests(uuid)

    def test_without_a_destination_the_scheduler_chooses(self, bench: Bench) -> None:
        uuid, source, _dest = bench.movable(2)
        bench.live(uuid, None)
        assert bench.ended(uuid, "completed", "error")["status"] == "completed"
        assert bench.rests(uuid)["OS-EXT-SRV-ATTR:host"] != source

    def test_an_unknown_destination_is_a_bad_request(self, bench: Bench) -> None:
        uuid, _source, _dest = bench.movable()
        with pytest.raises(nova_exceptions.BadRequest, match="nowhere could not be found"):
            bench.live(uuid, "nowhere")

    def test_a_disabled_destination_fails_after_the_request_was_accepted(
        self, bench: Bench
    ) -> None:
        uuid, source, dest = bench.movable()
        bench.nova.services.disable_log_reason(bench.service(dest)["id"], "contract test")
        bench.live(uuid, dest)
        bench.ended(uuid, "error")
        server = bench.rests(uuid)
        assert server["OS-EXT-SRV-ATTR:host"] == source
        assert "fault" not in server
        until(lambda: bench.last_details(uuid, "live-migration"), "the action has its details")
        assert "No valid host was found" in bench.last_details(uuid, "live-migration")

    def test_migrating_to_where_it_is_fails_and_says_so(self, bench: Bench) -> None:
        uuid, source, _dest = bench.movable()
        bench.live(uuid, source)
        bench.ended(uuid, "error")
        bench.rests(uuid)
        until(lambda: bench.last_details(uuid, "live-migration"), "the action has its details")
        assert "No valid host was found" in bench.last_details(uuid, "live-migration")

    def test_migrations_from_one_host_follow_one_another(self, bench: Bench) -> None:
        by_host: dict[str, list[str]] = {}
        for server in bench.alone():
            by_host.setdefault(server["OS-EXT-SRV-ATTR:host"], []).append(server["id"])
        first, second = max(by_host.values(), key=len)[:2]
        for uuid in (first, second):
            bench.live(uuid, None)
        ends = [bench.ended(uuid, "completed", "error") for uuid in (first, second)]
        assert [one["status"] for one in ends] == ["completed", "completed"]
        # Nova writes the end of the first a little after the second has begun, never after its end.
        assert ends[0]["updated_at"] <= ends[1]["updated_at"]

    def test_a_stopped_server_cannot_be_live_migrated(self, bench: Bench) -> None:
        uuid, _source, dest = bench.movable()
        bench.nova.servers.stop(uuid)
        server = bench.rests(uuid, "SHUTOFF")
        assert server["OS-EXT-STS:vm_state"] == "stopped"
        text = f"Cannot 'os-migrateLive' instance {uuid} while it is in vm_state stopped"
        with pytest.raises(nova_exceptions.Conflict, match=text):
            bench.live(uuid, dest)
        bench.nova.servers.start(uuid)
        bench.rests(uuid)

    def test_a_paused_server_can_be_live_migrated_and_stays_paused(self, bench: Bench) -> None:
        uuid, _source, dest = bench.movable()
        bench.nova.servers.pause(uuid)
        bench.rests(uuid, "PAUSED")
        bench.live(uuid, dest)
        assert bench.ended(uuid, "completed", "error")["status"] == "completed"
        assert bench.rests(uuid, "PAUSED")["OS-EXT-SRV-ATTR:host"] == dest
        bench.nova.servers.unpause(uuid)
        bench.rests(uuid)

    # -- cold migration and resize -------------------------------------------------------------

    def test_a_cold_migration_holds_both_hosts_until_it_is_confirmed(self, bench: Bench) -> None:
        uuid, source, dest = bench.movable()
        bench.cold(uuid, dest)
        server = bench.rests(uuid, "VERIFY_RESIZE")
        assert server["OS-EXT-STS:vm_state"] == "resized"
        assert server["OS-EXT-SRV-ATTR:host"] == dest
        record = bench.newest_migration(uuid)
        assert (record["status"], record["migration_type"]) == ("finished", "migration")
        assert bench.providers_of(uuid) == {bench.hypervisor_uuid(dest)}
        assert bench.providers_of(record["uuid"]) == {bench.hypervisor_uuid(source)}
        bench.nova.servers.confirm_resize(uuid)
        bench.ended(uuid, "confirmed")
        assert bench.rests(uuid)["OS-EXT-SRV-ATTR:host"] == dest
        until(lambda: not bench.providers_of(record["uuid"]), "the source is freed")

    def test_a_reverted_cold_migration_is_back_on_its_source(self, bench: Bench) -> None:
        uuid, source, dest = bench.movable()
        bench.cold(uuid, dest)
        bench.rests(uuid, "VERIFY_RESIZE")
        bench.nova.servers.revert_resize(uuid)
        bench.ended(uuid, "reverted")
        assert bench.rests(uuid)["OS-EXT-SRV-ATTR:host"] == source
        assert bench.providers_of(uuid) == {bench.hypervisor_uuid(source)}

    def test_a_cold_migration_to_where_it_is_is_a_bad_request(self, bench: Bench) -> None:
        uuid, source, _dest = bench.movable()
        with pytest.raises(nova_exceptions.BadRequest, match="host where the server exists"):
            bench.cold(uuid, source)

    def test_a_resize_needs_another_flavor(self, bench: Bench) -> None:
        uuid, _source, _dest = bench.movable()
        name = bench.server(uuid)["flavor"]["original_name"]
        same = next(one.id for one in bench.nova.flavors.list() if one.name == name)
        with pytest.raises(nova_exceptions.BadRequest, match="must change flavor"):
            bench.nova.servers.resize(uuid, same)

    # -- records -------------------------------------------------------------------------------

    def test_changes_since_gives_what_changed(self, bench: Bench) -> None:
        uuid, _source, dest = bench.movable()
        bench.live(uuid, dest)
        bench.ended(uuid, "completed")
        updated = bench.rests(uuid)["updated"]
        since = {"all_tenants": "1", "changes-since": updated}
        found = {server["id"] for server in bench.get("/servers/detail", **since)["servers"]}
        assert uuid in found
        assert len(found) < len(bench.servers())

    def test_migrations_are_paged_newest_first(self, bench: Bench) -> None:
        uuid, source, dest = bench.movable()
        for host in (dest, source):
            bench.live(uuid, host)
            bench.ended(uuid, "completed")
            bench.rests(uuid)
        page = bench.get("/os-migrations", instance_uuid=uuid, limit="1")
        assert page["migrations"][0]["dest_compute"] == source
        assert "migrations_links" in page
        marker = page["migrations"][0]["uuid"]
        page = bench.get("/os-migrations", instance_uuid=uuid, limit="1", marker=marker)
        assert page["migrations"][0]["dest_compute"] == dest
