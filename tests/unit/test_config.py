# SPDX-License-Identifier: Apache-2.0
import pytest
from oslo_config import cfg

from watcher import config


def loaded(tmp_path, text):
    file = tmp_path / "watcher.conf"
    file.write_text(text)
    return config.load(cfg.ConfigOpts(), ["--config-file", str(file)])


def test_unknown_options_and_groups_do_not_matter(tmp_path):
    conf = loaded(tmp_path, "[DEFAULT]\nnot_ours = 1\n[api]\nnot_ours = 2\n[nobody]\nx = y\n")
    assert conf.periodic_interval == 60


@pytest.mark.parametrize(
    "text",
    [
        "[DEFAULT]\nperiodic_interval = often\n",
        "[watcher_decision_engine]\ncontinuous_audit_interval = 0\n",
        "[watcher_decision_engine]\nmax_audit_workers = 0\n",
        "periodic_interval\n",
        "[api\n",
    ],
)
def test_a_wrong_value_or_file_is_told_when_it_is_read(tmp_path, text):
    with pytest.raises((cfg.Error, ValueError)):
        loaded(tmp_path, text)


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(cfg.ConfigFilesNotFoundError, match=r"no/such\.conf"):
        config.load(cfg.ConfigOpts(), ["--config-file", "/no/such.conf"])


def test_every_option_has_help_and_is_listed_once_in_its_group():
    for group, options in config.list_opts():
        names = [option.dest for option in options]
        assert len(names) == len(set(names)), group
        assert all(option.help for option in options), group


def test_registering_twice_does_nothing():
    conf = cfg.ConfigOpts()
    config.register(conf)
    config.register(conf)
    conf([])
    assert conf.service_down_time == 90
