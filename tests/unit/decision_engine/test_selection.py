# SPDX-License-Identifier: Apache-2.0
import pytest
from oslo_config import cfg

from tests.vendor import STRATEGY, installed
from watcher import config
from watcher.core.errors import Invalid
from watcher.datasources.choice import DataSources
from watcher.decision_engine.selection import candidates, choose

MORE = (
    STRATEGY
    + """
from watcher.core.metrics import Metric, Query

class Measuring(Base):
    def queries(self, parameters):
        return (Query(Metric.HOST_AIRFLOW), Query(Metric.HOST_POWER, required=False))

@dataclass(frozen=True)
class Needy:
    target: str = param(REQUIRED, "Where to.")

class NeedsParameter(Base):
    parameters = Needy
"""
)
UNMAPPED = "[watcher_datasources]\ndatasources =\n"


def chosen(tmp_path, goal, text=""):
    file = tmp_path / "watcher.conf"
    file.write_text(text)
    conf = config.load(cfg.ConfigOpts(), ["--config-file", str(file)])
    return choose(goal, DataSources(conf), conf)


@pytest.fixture
def vendor(tmp_path):
    names = {"v_a": "Measuring", "v_b": "NeedsParameter", "v_c": "Base", "v_d": "Base"}
    goals = {"vendor": "GOAL"}
    with installed(tmp_path, MORE, watcher_strategies=names, watcher_goals=goals):
        yield


def test_the_candidates_of_a_goal_are_in_alphabetical_order(vendor):
    assert candidates("vendor") == ["v_a", "v_b", "v_c", "v_d"]
    assert candidates("nothing") == []


def test_it_is_the_first_that_needs_nothing_that_is_not_there(vendor, tmp_path):
    assert chosen(tmp_path, "vendor", UNMAPPED) == "v_c"


def test_a_strategy_whose_metrics_are_mapped_can_run(vendor, tmp_path):
    assert chosen(tmp_path, "vendor", "[influxdb]\nurl = http://127.0.0.1:9\n") == "v_a"


def test_configuration_goes_before_the_order(vendor, tmp_path):
    text = UNMAPPED + "[watcher_strategies]\ndefaults = dummy:dummy, vendor:v_d\n"
    assert chosen(tmp_path, "vendor", text) == "v_d"


@pytest.mark.parametrize("wrong", ["dummy", "no_such"])
def test_a_wrong_default_is_told_with_the_right_names(vendor, tmp_path, wrong):
    with pytest.raises(Invalid) as told:
        chosen(tmp_path, "vendor", f"[watcher_strategies]\ndefaults = vendor:{wrong}\n")
    assert str(told.value) == (
        f"[watcher_strategies] defaults names {wrong} for goal vendor, but the strategies of"
        " this goal are v_a, v_b, v_c, v_d"
    )


def test_when_none_can_run_it_is_told_what_each_lacks(tmp_path):
    with pytest.raises(Invalid) as told:
        chosen(tmp_path, "thermal_optimization", UNMAPPED)
    assert "outlet_temperature needs metric host_outlet_temp" in str(told.value)
    with pytest.raises(Invalid, match="host_maintenance needs parameter maintenance_node"):
        chosen(tmp_path, "cluster_maintaining")


def test_a_goal_without_strategies_is_told():
    conf = config.load(cfg.ConfigOpts(), [])
    with pytest.raises(Invalid, match="goal unheard_of can run: none installed"):
        choose("unheard_of", DataSources(conf), conf)
