# SPDX-License-Identifier: Apache-2.0
"""One set of daemons and one fork server for all the tests of the clients."""

import pytest

from tests.integration import daemons, history
from tests.integration.clients.forked import MODULES, Clients, Front
from tests.integration.clients.whole import Recorder


@pytest.fixture(scope="package")
def watcher(cloud_session, services, tmp_path_factory):
    folder = tmp_path_factory.mktemp("watcher")
    with daemons.running(cloud_session, services, folder) as (running, influx):
        history.write(influx, cloud_session)
        yield running


@pytest.fixture(scope="package")
def clients():
    clients = Clients()
    yield clients
    clients.close()


@pytest.fixture(scope="package")
def fronts(watcher, clients):
    return {name: Front(clients, name, watcher.environment()) for name in MODULES}


@pytest.fixture(params=MODULES)
def front(request, fronts):
    return fronts[request.param]


@pytest.fixture(scope="package")
def sdk(watcher):
    """The client of the Python SDK, with a note of what is called with which keywords."""
    return Recorder(watcher.sdk())
