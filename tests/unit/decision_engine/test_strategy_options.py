# SPDX-License-Identifier: Apache-2.0
"""What an audit does not say, the operator's configuration does."""

import pytest
from oslo_config import cfg

from watcher import plugins
from watcher.core.parameters import parse, schema
from watcher.decision_engine.strategy_options import OPTIONS, configured

STORAGE = "storage_capacity_balance"


@pytest.fixture
def conf():
    conf = cfg.ConfigOpts()
    for group in OPTIONS:
        group.register(conf)
    conf([])
    return conf


@pytest.mark.parametrize("given", [{}, {"ex_pools": None}])
def test_what_is_not_said_is_the_options(conf, given):
    assert configured(conf, STORAGE, given) == {"ex_pools": ["local_vstorage"]}
    conf.set_override("ex_pools", ["fast"], f"watcher_strategies.{STORAGE}")
    assert configured(conf, STORAGE, given) == {"ex_pools": ["fast"]}


def test_what_is_said_stands(conf):
    conf.set_override("check_optimize_metadata", True, "watcher_strategies.basic")
    given = {"period": 60, "check_optimize_metadata": False}
    assert configured(conf, "basic", given) == given


def test_other_strategies_have_none(conf):
    assert configured(conf, "dummy", {"para1": 2.0}) == {"para1": 2.0}


@pytest.mark.parametrize("group", OPTIONS, ids=lambda group: group.name)
def test_every_option_is_a_parameter_that_may_be_left_unsaid(conf, group):
    declared = plugins.strategy(group.name.partition(".")[2]).parameters
    for option in group.options:
        assert schema(declared)["properties"][option.dest]["default"] is None
        parse(declared, {option.dest: option.default})
