# SPDX-License-Identifier: Apache-2.0
"""Which ports the processes of a daemon have."""

import pytest
from oslo_config import cfg

from watcher import config
from watcher.core.errors import Invalid
from watcher.exporter import endpoint


@pytest.fixture
def conf():
    conf = cfg.ConfigOpts()
    config.register(conf)
    conf([], default_config_files=[])
    conf.set_override("workers", 3, "api")
    conf.set_override("enabled", True, "metrics")
    return conf


@pytest.mark.parametrize(
    ("program", "ports"),
    [
        (endpoint.ENGINE, [19322]),
        (endpoint.APPLIER, [19323]),
        (endpoint.STANDALONE, [19324]),
        (endpoint.API, [19330, 19331, 19332]),
    ],
)
def test_each_process_has_a_port_of_its_own(conf, program, ports):
    assert endpoint.ports(conf, program) == ports


def test_nothing_is_served_unless_it_is_wanted(conf):
    conf.clear_override("enabled", "metrics")
    assert endpoint.ports(conf, endpoint.API) == []


def test_the_last_process_needs_a_port_as_well(conf):
    conf.set_override("api_port", 65533, "metrics")
    assert endpoint.ports(conf, endpoint.API) == [65533, 65534, 65535]
    conf.set_override("api_port", 65534, "metrics")
    with pytest.raises(Invalid, match=r"\[metrics\] api_port: .* up to 65536"):
        endpoint.ports(conf, endpoint.API)
