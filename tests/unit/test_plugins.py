# SPDX-License-Identifier: Apache-2.0
import pytest
from oslo_config import cfg

from tests.vendor import STRATEGY, installed
from watcher import config, plugins
from watcher.core.errors import Invalid, NotFound

ODD = (
    STRATEGY
    + """
class NoSolve:
    name = display_name = "x"
    goal = planner = "vendor"
    parameters = Parameters
    def queries(self, parameters):
        return ()

class Breaks(Base):
    def __init__(self):
        raise ZeroDivisionError("in its init")

NO_GOAL = "vendor"
"""
)
PLANNER = """
from dataclasses import dataclass
from watcher.core.parameters import param

@dataclass(frozen=True)
class Options:
    width: int = param(3, "How many side by side.")
    names: list = param(["a"], "Whom.")

    def __post_init__(self):
        if self.width > 9:
            raise ValueError("width is at most 9")

class Planner:
    name = "wide"
    Options = Options
    def __init__(self, options):
        self.options = options
    def order(self, solution, cluster):
        return None

class Half:
    name = "half"
"""


def messages(caplog, word):
    return [text for text in caplog.messages if word in text]


def test_ours_are_found_in_alphabetical_order():
    found = list(plugins.strategies())
    assert found == sorted(found)
    assert {"dummy", "vm_workload_consolidation", "host_maintenance"} <= set(found)
    assert "weight" in plugins.planners()
    assert {"migrate", "nop"} <= set(plugins.actions())


def test_every_planner_can_be_built_from_the_configuration():
    conf = config.load(cfg.ConfigOpts(), [])
    assert {plugins.planner(name, conf).name for name in plugins.planners()} == {
        *("weight", "workload_stabilization", "node_resource_consolidation"),
    }


def test_a_plugin_that_cannot_be_imported_is_left_out_with_one_line(tmp_path, caplog):
    with installed(tmp_path, "import no_such_module", watcher_strategies={"lost": "Lost"}):
        assert "lost" not in plugins.strategies()
        assert "dummy" in plugins.strategies()
        plugins.strategies()
    (line,) = messages(caplog, "lost")
    assert "no_such_module" in line


def test_a_plugin_that_lacks_a_member_is_left_out_and_the_log_says_which(tmp_path, caplog):
    with installed(tmp_path, ODD, watcher_strategies={"half": "NoSolve"}):
        assert "half" not in plugins.strategies()
        assert plugins.broken(plugins.STRATEGIES) == {"half"}
    assert messages(caplog, "half") == [
        "plugin half of watcher_strategies is left out: it lacks solve"
    ]


def test_a_plugin_that_raises_when_it_is_built_is_left_out(tmp_path, caplog):
    with installed(tmp_path, ODD, watcher_strategies={"breaks": "Breaks", "vendor": "Base"}):
        assert "breaks" not in plugins.strategies()
        assert "vendor" in plugins.strategies()
    (line,) = messages(caplog, "breaks")
    assert "ZeroDivisionError: in its init" in line


def test_a_goal_that_is_none_is_left_out_with_one_line(tmp_path, caplog):
    with installed(tmp_path, ODD, watcher_goals={"odd": "NO_GOAL", "vendor": "GOAL"}):
        assert "odd" not in plugins.goals()
        assert plugins.goals()["vendor"].display_name == "Vendor goal"
        assert plugins.broken(plugins.GOALS) == {"odd"}
    assert len(messages(caplog, "odd")) == 1


def test_an_unknown_name_is_told():
    with pytest.raises(NotFound, match="Strategy plugin nope"):
        plugins.strategy("nope")
    with pytest.raises(NotFound, match="Planner plugin nope"):
        plugins.planner("nope", cfg.ConfigOpts())


def test_the_options_of_a_plugin_are_options_of_its_own_group(tmp_path):
    file = tmp_path / "w.conf"
    file.write_text("[watcher_planners.wide]\nwidth = 5\nnames = b, c\n")
    with installed(tmp_path, PLANNER, watcher_planners={"wide": "Planner"}):
        conf = config.load(cfg.ConfigOpts(), ["--config-file", str(file)])
        built = plugins.planner("wide", conf)
    assert (built.options.width, built.options.names) == (5, ["b", "c"])


def test_an_option_of_a_plugin_that_is_not_given_has_its_default(tmp_path):
    with installed(tmp_path, PLANNER, watcher_planners={"wide": "Planner"}):
        conf = config.load(cfg.ConfigOpts(), [])
        assert plugins.planner("wide", conf).options.width == 3


def test_an_option_that_a_plugin_refuses_is_told_with_its_reason(tmp_path):
    file = tmp_path / "w.conf"
    file.write_text("[watcher_planners.wide]\nwidth = 10\n")
    with installed(tmp_path, PLANNER, watcher_planners={"wide": "Planner"}):
        conf = config.load(cfg.ConfigOpts(), ["--config-file", str(file)])
        with pytest.raises(Invalid, match="width is at most 9"):
            plugins.planner("wide", conf)


def test_a_planner_that_lacks_a_member_is_left_out(tmp_path, caplog):
    with installed(tmp_path, PLANNER, watcher_planners={"half": "Half"}):
        assert "half" not in plugins.planners()
    assert messages(caplog, "half") == [
        "plugin half of watcher_planners is left out: it lacks order"
    ]
