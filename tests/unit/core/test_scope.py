# SPDX-License-Identifier: Apache-2.0
"""Tests of watcher.core.scope."""

import jsonschema
import pytest

from tests.worlds import instance_row, uuid, world
from watcher.core.errors import BadScope
from watcher.core.scope import BAREMETAL, COMPUTE, STORAGE, apply, check_scope

EXAMPLE = [
    {
        "compute": [
            {"host_aggregates": [{"id": 1}, {"name": "rack7"}]},
            {"availability_zones": [{"name": "AZ1"}]},
            {
                "exclude": [
                    {"instances": [{"uuid": "6ae05517-a512-462d-9d83-90c313b5a8ff"}]},
                    {"compute_nodes": [{"name": "compute3"}]},
                    {"instance_metadata": [{"optimize": False}]},
                    {"projects": [{"uuid": "7f0d"}]},
                ]
            },
        ]
    },
    {
        "storage": [
            {"volume_types": [{"name": "lvm-1"}]},
            {"exclude": [{"storage_pools": [{"name": "host1@lvm#pool2"}]}]},
        ]
    },
    {"baremetal": [{"exclude": [{"ironic_nodes": [{"uuid": "n1"}]}]}]},
]


@pytest.fixture
def cluster():
    return (
        world()
        .host("c1", aggregates=("ssd", "#1"), zone="az1")
        .runs("vm1", project_id="aaaa", metadata={"env": "prod", "tier": "1"})
        .host("c2", aggregates=("rack2", "#2"), zone="az1")
        .runs("vm2", project_id="bbbb", metadata={"env": "Prod"})
        .host("c3", zone="az2")
        .runs("vm3", project_id="aaaa")
        .unplaced("vm4")
        .cluster()
    )


def compute(*rules):
    return check_scope([{"compute": list(rules)}])


def exclude(**what):
    return compute({"exclude": [{key: value} for key, value in what.items()]})


def hosts_in(scoped):
    hosts = scoped.cluster.hosts
    return {name for name, inside in zip(hosts.name, hosts.in_scope, strict=True) if inside}


def excluded_in(scoped):
    instances = scoped.cluster.instances
    marks = zip(instances.name, instances.excluded, strict=True)
    return {name for name, excluded in marks if excluded}


# --- what a scope may look like


def test_the_example_of_the_contract_is_a_scope_and_stays_as_it_is():
    assert check_scope(EXAMPLE) == EXAMPLE


@pytest.mark.parametrize("everything", [None, [], {}])
def test_nothing_said_means_everything(everything):
    assert check_scope(everything) == []


def test_a_bare_list_of_rules_is_about_compute():
    rules = [{"availability_zones": [{"name": "az1"}]}]
    assert check_scope(rules) == [{"compute": rules}]


@pytest.mark.parametrize("kind", ["storage", "baremetal"])
def test_a_scope_need_not_begin_with_compute(kind):
    assert check_scope([{kind: []}]) == [{kind: []}]


@pytest.mark.parametrize("item", [{"id": "*"}, {"name": "*"}])
def test_a_star_alone_is_all(item):
    assert compute({"host_aggregates": [item]})


@pytest.mark.parametrize(
    ("scope", "complaint"),
    [
        ("all", "scope must be a list of blocks, not str"),
        ({"compute": []}, "scope must be a list of blocks, not dict"),
        ([1], "scope [0].compute[0]: 1 is not of type 'object'"),
        ([{"compute": []}, {"network": []}], "scope [1]: must be an object with one key, one"),
        ([{"compute": []}, 5], "scope [1]: must be an object with one key"),
        ([{"compute": [], "storage": []}], "scope [0]: must be an object with one key"),
        ([{"compute": {}}], "scope [0].compute: {} is not of type 'array'"),
        ([{"hosts": []}], "scope [0].compute[0]: Additional properties are not allowed ('hosts'"),
        ([{"compute": [{}]}], "scope [0].compute[0]: {} "),
        (
            [{"compute": [{"host_aggregates": [{"id": "1"}]}]}],
            "scope [0].compute[0].host_aggregates[0].id: '1' is not the number of an aggregate",
        ),
        (
            [{"compute": [{"host_aggregates": [{"id": 1, "name": "a"}]}]}],
            "scope [0].compute[0].host_aggregates[0]: {'id': 1, 'name': 'a'} ",
        ),
        (
            [{"compute": [{"exclude": [{"instance_metadata": [{"a": None}]}]}]}],
            "scope [0].compute[0].exclude[0].instance_metadata[0].a: None is not of type",
        ),
        (
            [{"compute": [{"exclude": [{"instance_metadata": [{}]}]}]}],
            "scope [0].compute[0].exclude[0].instance_metadata[0]: {} ",
        ),
        (
            [{"storage": [{"exclude": [{"volumes": [{"uuid": 1}]}]}]}],
            "scope [0].storage[0].exclude[0].volumes[0].uuid: 1 is not of type 'string'",
        ),
        (
            [{"baremetal": [{"include": []}]}],
            "scope [0].baremetal[0]: Additional properties are not allowed",
        ),
    ],
)
def test_a_fault_is_shown_with_its_place(scope, complaint):
    with pytest.raises(BadScope) as raised:
        check_scope(scope)
    assert str(raised.value).startswith(complaint)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"host_aggregates": [{"id": 1}, {"id": "*"}]}, "[0].compute[0].host_aggregates"),
        ({"host_aggregates": [{"name": "*"}, {"id": 1}]}, "[0].compute[0].host_aggregates"),
        (
            {"availability_zones": [{"name": "a"}, {"name": "*"}]},
            "[0].compute[0].availability_zones",
        ),
        (
            {"exclude": [{"projects": []}, {"host_aggregates": [{"id": "*"}, {"id": 2}]}]},
            "[0].compute[0].exclude[1].host_aggregates",
        ),
    ],
)
def test_a_star_in_company_is_refused(rule, place):
    with pytest.raises(BadScope) as raised:
        compute(rule)
    assert str(raised.value) == f'scope {place}: "*" means all and must be the only entry'


def test_stars_of_storage_stand_alone_too():
    with pytest.raises(BadScope, match="volume_types"):
        check_scope([{"storage": [{"volume_types": [{"name": "*"}, {"name": "fast"}]}]}])


@pytest.mark.parametrize("rules", [COMPUTE, STORAGE, BAREMETAL])
def test_the_published_schemas_are_json_schemas(rules):
    jsonschema.Draft4Validator.check_schema(rules)


# --- what a scope does


def test_the_empty_scope_leaves_the_cluster_as_it_is(cluster):
    assert apply(cluster, []) == (cluster, ())
    assert apply(cluster, [{"compute": []}]) == (cluster, ())


@pytest.mark.parametrize(
    ("rules", "names"),
    [
        ([{"host_aggregates": [{"id": 1}]}], {"c1"}),
        ([{"host_aggregates": [{"name": "rack2"}]}], {"c2"}),
        ([{"host_aggregates": [{"id": 1}, {"name": "rack2"}]}], {"c1", "c2"}),
        ([{"availability_zones": [{"name": "az2"}]}], {"c3"}),
        (
            [{"host_aggregates": [{"id": 1}]}, {"availability_zones": [{"name": "az2"}]}],
            {"c1", "c3"},
        ),
        (
            [{"host_aggregates": [{"id": 1}], "availability_zones": [{"name": "az2"}]}],
            {"c1", "c3"},
        ),
        ([{"host_aggregates": [{"id": 1}]}, {"host_aggregates": [{"id": 2}]}], {"c1", "c2"}),
        ([{"host_aggregates": [{"id": "*"}]}], {"c1", "c2", "c3"}),
        ([{"availability_zones": [{"name": "*"}]}], {"c1", "c2", "c3"}),
        ([{"host_aggregates": []}], {"c1", "c2", "c3"}),
    ],
)
def test_included_hosts_are_united(cluster, rules, names):
    scoped = apply(cluster, compute(*rules))
    assert hosts_in(scoped) == names
    assert scoped.notes == ()


def test_instances_outside_take_room_and_are_left_alone(cluster):
    scoped = apply(cluster, compute({"host_aggregates": [{"id": 1}]}))
    assert excluded_in(scoped) == {"vm2", "vm3"}
    assert (scoped.cluster.used == cluster.used).all()


def test_an_aggregate_named_like_an_id_is_not_that_id(cluster):
    scoped = apply(cluster, compute({"host_aggregates": [{"name": "1"}]}))
    assert hosts_in(scoped) == set()


def test_excluded_hosts_are_out_whatever_includes_them(cluster):
    scoped = apply(
        cluster,
        compute(
            {"availability_zones": [{"name": "az1"}], "host_aggregates": [{"id": 1}]},
            {"exclude": [{"host_aggregates": [{"name": "ssd"}]}]},
        ),
    )
    assert hosts_in(scoped) == {"c2"}


def test_a_host_is_excluded_by_its_exact_name(cluster):
    scoped = apply(cluster, exclude(compute_nodes=[{"name": "c1"}]))
    assert hosts_in(scoped) == {"c2", "c3"}
    assert excluded_in(scoped) == {"vm1"}


def test_several_keys_in_one_exclusion_all_count(cluster):
    scope = [
        {
            "compute": [
                {"exclude": [{"compute_nodes": [{"name": "c1"}], "projects": [{"uuid": "bbbb"}]}]}
            ]
        }
    ]
    scoped = apply(cluster, check_scope(scope))
    assert hosts_in(scoped) == {"c2", "c3"}
    assert excluded_in(scoped) == {"vm1", "vm2"}


def test_excluded_instances_stay_on_their_hosts(cluster):
    scoped = apply(cluster, exclude(instances=[{"uuid": uuid("vm2").upper()}]))
    assert excluded_in(scoped) == {"vm2"}
    assert hosts_in(scoped) == {"c1", "c2", "c3"}


@pytest.mark.parametrize("written", ["aaaa", "AAAA", "aa-aa"])
def test_the_instances_of_a_project_are_excluded_however_it_is_written(cluster, written):
    assert excluded_in(apply(cluster, exclude(projects=[{"uuid": written}]))) == {"vm1", "vm3"}


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        ([{"env": "PROD"}], {"vm1", "vm2"}),
        ([{"env": "prod", "tier": "1"}], {"vm1"}),
        ([{"env": "prod", "tier": 1}], {"vm1"}),
        ([{"env": "test"}, {"tier": "1"}], {"vm1"}),
        ([{"ENV": "prod"}], set()),
    ],
)
def test_metadata_excludes_when_all_pairs_of_an_entry_match(cluster, entries, names):
    assert excluded_in(apply(cluster, exclude(instance_metadata=entries))) == names


def test_a_json_false_matches_the_word(cluster):
    tagged = world().host("c1").runs("vm1", metadata={"optimize": "False"}).cluster()
    scoped = apply(tagged, exclude(instance_metadata=[{"optimize": False}]))
    assert excluded_in(scoped) == {"vm1"}


def test_names_that_match_nothing_are_noted_and_ignored(cluster):
    scoped = apply(
        cluster,
        compute(
            {"host_aggregates": [{"id": 9}, {"id": 1}]},
            {"availability_zones": [{"name": "mars"}]},
            {
                "exclude": [
                    {"compute_nodes": [{"name": "c9"}]},
                    {"host_aggregates": [{"name": "gone"}]},
                    {"instances": [{"uuid": f"u{number}"} for number in range(5)]},
                    {"projects": [{"uuid": "cccc"}]},
                ]
            },
        ),
    )
    assert hosts_in(scoped) == {"c1"}
    assert scoped.notes == (
        "the scope names an unknown host aggregate: #9",
        "the scope names an unknown availability zone: mars",
        "the scope names an unknown compute host: c9",
        "the scope names an unknown host aggregate: gone",
        "the scope names an unknown instance: u0, u1, u2 and 2 more",
        "the scope names an unknown project: cccc",
    )


def test_excluding_a_host_that_is_outside_anyway_is_no_fault(cluster):
    scoped = apply(
        cluster,
        compute(
            {"availability_zones": [{"name": "az2"}]},
            {"exclude": [{"compute_nodes": [{"name": "c1"}]}]},
        ),
    )
    assert hosts_in(scoped) == {"c3"}
    assert scoped.notes == ()


def test_a_scope_that_matches_no_host_is_empty_and_says_so(cluster):
    scoped = apply(cluster, compute({"availability_zones": [{"name": "mars"}]}))
    assert hosts_in(scoped) == set()
    assert excluded_in(scoped) == {"vm1", "vm2", "vm3"}
    assert scoped.notes[-1] == "the scope matches no host: nothing can be done"


def test_of_two_compute_blocks_the_first_counts_and_the_second_is_noted(cluster):
    scope = check_scope(
        [
            {"compute": [{"host_aggregates": [{"id": 1}]}]},
            {"compute": [{"host_aggregates": [{"id": 2}]}]},
        ]
    )
    scoped = apply(cluster, scope)
    assert hosts_in(scoped) == {"c1"}
    assert scoped.notes == ("the scope has a second compute block, which is ignored",)


def test_blocks_about_other_models_are_noted(cluster):
    scoped = apply(cluster, check_scope([{"storage": []}, {"baremetal": []}]))
    assert scoped.cluster is cluster
    assert [note.split(" has ")[0] for note in scoped.notes] == [
        "the scope's storage block",
        "the scope's baremetal block",
    ]


def test_marks_that_are_there_stay(cluster):
    once = apply(cluster, exclude(compute_nodes=[{"name": "c1"}])).cluster
    twice = apply(once, exclude(instances=[{"uuid": uuid("vm2")}]))
    assert hosts_in(twice) == {"c2", "c3"}
    assert excluded_in(twice) == {"vm1", "vm2"}


def test_a_scope_on_an_empty_cluster_matches_nothing():
    scoped = apply(world().cluster(), compute({"host_aggregates": [{"id": "*"}]}))
    assert scoped.notes == ("the scope matches no host: nothing can be done",)


def test_an_instance_on_no_host_is_outside_of_none(cluster):
    scoped = apply(cluster, compute({"host_aggregates": [{"id": 1}]}))
    assert not scoped.cluster.instances.excluded[instance_row(cluster, "vm4")]
