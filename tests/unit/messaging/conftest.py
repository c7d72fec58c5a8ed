# SPDX-License-Identifier: Apache-2.0
"""A bus inside this process, on options of its own."""

import pytest
from oslo_config import cfg
from oslo_messaging import conffixture

from watcher import config
from watcher.messaging.transport import Bus


@pytest.fixture
def conf():
    """Private options with those of oslo.messaging, over fake://."""
    conf = cfg.ConfigOpts()
    conffixture.ConfFixture(conf)  # registers what oslo.messaging registers on cfg.CONF only
    config.OPTIONS.register(conf)
    conf([])
    conf.set_override("transport_url", "fake://")
    conf.set_override("host", "node-1")
    return conf


@pytest.fixture
def bus(conf):
    """The bus of these options."""
    bus = Bus(conf)
    yield bus
    bus.close()
