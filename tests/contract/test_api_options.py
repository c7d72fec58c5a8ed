# SPDX-License-Identifier: Apache-2.0
"""The options of the API that existing configuration files set (contract config 1 and 2)."""

import os

from oslo_config import cfg

from watcher.api.app import OPTIONS


def test_names_and_defaults_are_the_contracts() -> None:
    conf = cfg.ConfigOpts()
    for group in OPTIONS:
        group.register(conf)
    conf([], default_config_files=[], default_config_dirs=[])
    assert conf.enable_authentication is True
    expected = {
        "port": 9322,
        "host": "127.0.0.1",
        "max_limit": 1000,
        "workers": os.cpu_count(),
        "enable_ssl_api": False,
        "enable_webhooks_auth": True,
    }
    assert {name: conf.api[name] for name in expected} == expected
