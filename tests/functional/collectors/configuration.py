# SPDX-License-Identifier: Apache-2.0
"""A configuration for what looks at a cloud, without the daemons' parts."""

from pathlib import Path

from oslo_config import cfg

from watcher.clients import session
from watcher.collectors import compute
from watcher.datasources import choice, gnocchi, grafana, influxdb, prometheus
from watcher.simulator.server import Urls

TEXT = """
[watcher_clients_auth]
auth_type = password
auth_url = {identity}
username = {user}
password = any
project_name = {project}
user_domain_name = Default
project_domain_name = Default
[influxdb]
url = {influxdb}
[collector]
api_query_interval = 0
[watcher_datasources]
query_interval = 0
"""


def written(path: Path, urls: Urls, user: str = "watcher", more: str = "") -> cfg.ConfigOpts:
    """The configuration that leads to these services, read from a file."""
    project = "service" if user == "watcher" else "admin"
    text = TEXT.format(identity=urls.identity, influxdb=urls.influxdb, user=user, project=project)
    path.write_text(text + more)
    conf = cfg.ConfigOpts()
    stores = (influxdb.OPTIONS, *prometheus.OPTIONS, gnocchi.OPTIONS, *grafana.OPTIONS)
    for group in (*session.OPTIONS, compute.OPTIONS, *stores, *choice.OPTIONS()):
        group.register(conf)
    # The decision engine's, which this room is below.
    conf.register_opt(cfg.IntOpt("max_general_workers", default=4), "watcher_decision_engine")
    conf(["--config-file", str(path)])
    return conf
