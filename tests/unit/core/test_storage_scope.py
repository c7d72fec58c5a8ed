# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.shelves import machines, pool_name, shelves
from tests.worlds import uuid, world
from watcher.core.scope import apply, check_scope


@pytest.fixture
def cluster():
    built = shelves().type("gold", volume_backend_name="fast")
    built.pool("fast").holds("v1", project_id="abc").holds("v2")
    built.pool("slow", zone="west").holds("v3", project_id="abc").pool("spare")
    return machines(built.beside(world().host("c1").host("c2").cluster()))


def scoped(cluster, *rules, kind="storage"):
    return apply(cluster, check_scope([{kind: list(rules)}]))


def pools_in(found):
    pools = found.cluster.storage.pools
    return {name.partition("#")[2] for name in pools.name[pools.in_scope]}


def excluded_in(found):
    volumes = found.cluster.storage.volumes
    return set(volumes.name[volumes.excluded])


def test_zones_and_types_are_united(cluster):
    found = scoped(
        cluster,
        {"availability_zones": [{"name": "west"}]},
        {"volume_types": [{"name": "gold"}]},
    )
    assert pools_in(found) == {"fast", "slow"}
    assert not excluded_in(found)
    assert not found.notes


def test_volumes_outside_may_not_be_moved_but_are_there(cluster):
    found = scoped(cluster, {"availability_zones": [{"name": "west"}]})
    assert pools_in(found) == {"slow"}
    assert excluded_in(found) == {"v1", "v2"}


@pytest.mark.parametrize("rule", ["availability_zones", "volume_types"])
def test_a_star_is_everything(cluster, rule):
    assert pools_in(scoped(cluster, {rule: [{"name": "*"}]})) == {"fast", "slow", "spare"}


def test_a_rule_that_matches_nothing_leaves_nothing_and_says_so(cluster):
    found = scoped(cluster, {"volume_types": [{"name": "silver"}]})
    assert pools_in(found) == set()
    assert excluded_in(found) == {"v1", "v2", "v3"}
    assert found.notes == (
        "the scope names an unknown volume type: silver",
        "the scope matches no storage pool: no volume can be moved",
    )


def test_an_excluded_pool_takes_its_volumes_with_it(cluster):
    found = scoped(cluster, {"exclude": [{"storage_pools": [{"name": pool_name("fast")}]}]})
    assert pools_in(found) == {"slow", "spare"}
    assert excluded_in(found) == {"v1", "v2"}


def test_volumes_and_projects_are_excluded_however_they_are_written(cluster):
    found = scoped(
        cluster,
        {"exclude": [{"volumes": [{"uuid": uuid("v2").upper()}], "projects": [{"uuid": "A-BC"}]}]},
    )
    assert excluded_in(found) == {"v1", "v2", "v3"}
    assert pools_in(found) == {"fast", "slow", "spare"}


def test_what_does_not_exist_is_noted_and_no_error(cluster):
    names = [{"name": f"p{number}"} for number in range(5)]
    found = scoped(
        cluster,
        {"exclude": [{"storage_pools": names, "projects": [{"uuid": "x"}]}]},
        {"exclude": [{"volumes": [{"uuid": "y"}]}]},
    )
    assert found.notes == (
        "the scope names an unknown storage pool: p0, p1, p2 and 2 more",
        "the scope names an unknown volume: y",
        "the scope names an unknown project: x",
    )
    assert not excluded_in(found)


def test_machines_can_be_excluded(cluster):
    wanted = uuid("machine c1")
    found = scoped(
        cluster,
        {"exclude": [{"ironic_nodes": [{"uuid": wanted}, {"uuid": "z"}]}]},
        kind="baremetal",
    )
    table = found.cluster.baremetal
    assert table.uuid[~table.in_scope].tolist() == [wanted]
    assert found.notes == ("the scope names an unknown bare metal node: z",)


def test_the_empty_scope_leaves_everything_as_it_is(cluster):
    assert apply(cluster, []).cluster is cluster
    assert apply(cluster, check_scope([{"storage": []}])).cluster is cluster


def test_a_block_about_what_was_not_read_is_noted():
    bare = world().host("c1").cluster()
    assert scoped(bare, {"exclude": [{"volumes": [{"uuid": "y"}]}]}).notes == (
        "the scope's storage block has no effect: pools and volumes are not looked at",
    )
