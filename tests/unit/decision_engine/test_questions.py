# SPDX-License-Identifier: Apache-2.0
from tests.worlds import uuid, world
from watcher.core import scope
from watcher.decision_engine.questions import parameters_of, rows_of
from watcher.strategies.dummy import Dummy
from watcher.strategies.host_maintenance import HostMaintenance

NODE_KEYS = {
    *("node_uuid", "node_hostname", "node_status", "node_disabled_reason", "node_state"),
    *("node_memory", "node_memory_mb_reserved", "node_disk", "node_disk_gb_reserved"),
    *("node_vcpus", "node_vcpu_reserved", "node_memory_ratio", "node_vcpu_ratio"),
    "node_disk_ratio",
}
SERVER_KEYS = {
    *("server_uuid", "server_watcher_exclude", "server_name", "server_state", "server_memory"),
    *("server_disk", "server_vcpus", "server_metadata", "server_project_id", "server_locked"),
    *("server_pinned_az", "server_flavor_extra_specs"),
}


def test_a_host_without_instances_is_one_row_of_its_own():
    (row,) = rows_of(world().host("c1").cluster())
    assert set(row) == NODE_KEYS


def test_each_instance_is_a_row_with_its_host():
    cluster = world().host("c1").runs("a").runs("b").cluster()
    rows = rows_of(cluster)
    assert len(rows) == 2
    assert all(set(row) == NODE_KEYS | SERVER_KEYS for row in rows)
    assert {row["server_uuid"] for row in rows} == {uuid("a"), uuid("b")}
    assert {row["node_uuid"] for row in rows} == {uuid("c1")}


def test_numbers_are_plain_json_numbers_with_their_values():
    cluster = (
        world()
        .host("c1", vcpus=4, memory_mb=2048, disk_gb=50, vcpus_ratio=2.5, memory_mb_reserved=512)
        .runs("a", vcpus=2, memory_mb=1024, disk_gb=7, state="stopped", metadata={"k": "v"})
        .cluster()
    )
    (row,) = rows_of(cluster)
    assert (row["node_vcpus"], row["node_memory"], row["node_disk"]) == (4, 2048, 50)
    assert (row["node_vcpu_ratio"], row["node_memory_mb_reserved"]) == (2.5, 512)
    assert (row["server_vcpus"], row["server_memory"], row["server_disk"]) == (2, 1024, 7)
    assert (row["server_state"], row["server_metadata"]) == ("stopped", {"k": "v"})
    assert {type(row[key]) for key in ("node_vcpus", "server_memory")} == {int}
    assert type(row["node_vcpu_ratio"]) is float


def test_a_disabled_host_shows_its_reason_and_an_enabled_one_none():
    cluster = world().host("c1", enabled=False, disabled_reason="broken").host("c2").cluster()
    shown = {row["node_hostname"]: row for row in rows_of(cluster)}
    assert (shown["c1"]["node_status"], shown["c1"]["node_disabled_reason"]) == (
        "disabled",
        "broken",
    )
    assert (shown["c2"]["node_status"], shown["c2"]["node_disabled_reason"]) == ("enabled", None)


def test_hosts_out_of_scope_are_not_shown():
    cluster = world().host("c1").host("c2").runs("a").cluster()
    narrowed, _ = scope.apply(
        cluster, [{"compute": [{"exclude": [{"compute_nodes": [{"name": "c2"}]}]}]}]
    )
    assert [row["node_hostname"] for row in rows_of(narrowed)] == ["c1"]


def test_a_strategy_with_a_required_parameter_has_no_defaults_to_ask_with():
    assert parameters_of(HostMaintenance()) is None
    assert parameters_of(Dummy()) is not None
