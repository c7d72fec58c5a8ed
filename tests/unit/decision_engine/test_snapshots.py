# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.shelves import machines, shelves
from tests.worlds import world
from watcher.clients.session import Absent
from watcher.core.errors import NotFound, ServiceDown, StaleCluster
from watcher.decision_engine.keeper import Keeper
from watcher.decision_engine.snapshots import Snapshots

CLUSTER = world().host("c1").cluster()
STORAGE = shelves().pool("p").storage()


class Eyes:
    """A collector that says what it is told to."""

    def __init__(self, name, answer):
        self.name = name
        self.answer = answer
        self.readings = 0

    def collect(self):
        self.readings += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def snapshots(**answers):
    given = {"compute": CLUSTER, "storage": STORAGE, **answers}
    eyes = {name: Eyes(name, answer) for name, answer in given.items()}
    keepers = {name: Keeper(one, 3600) for name, one in eyes.items()}
    return Snapshots(keepers, lambda _kind: 60.0), eyes


def test_only_what_is_asked_for_is_read():
    found, eyes = snapshots()
    assert found.gather() is CLUSTER
    assert eyes["storage"].readings == 0
    assert found.gather(["storage"]).storage is STORAGE


def test_a_cloud_without_cinder_is_read_as_ever():
    found, _ = snapshots(storage=Absent("Cinder is not in Keystone's catalog"))
    assert found.gather() is CLUSTER
    assert found.latest is CLUSTER
    with pytest.raises(StaleCluster, match="the storage cannot be read: Cinder is not in"):
        found.gather(["storage"])


def test_the_latest_has_everything_that_was_ever_read():
    found, _ = snapshots(baremetal=machines(CLUSTER).baremetal)
    assert found.latest is None
    found.gather(["storage"])
    assert found.latest.storage is STORAGE
    assert found.latest.baremetal is None
    found.gather(["baremetal"])
    assert len(found.latest.baremetal) == 1


def test_what_is_available_is_what_was_read_or_can_be_when_it_is_wanted():
    found, eyes = snapshots(baremetal=ServiceDown("no"))
    assert not found.available("storage")
    assert found.available("storage", wanted=True)
    assert found.available("storage")
    assert not found.available("baremetal", wanted=True)
    assert not found.available("network")
    assert eyes["storage"].readings == 1


def test_a_collector_that_is_not_installed_is_not_found():
    found, _ = snapshots()
    with pytest.raises(NotFound, match="Collector baremetal"):
        found.gather(["baremetal"])


def test_that_a_service_is_absent_is_no_warning(caplog):
    found, _ = snapshots(storage=Absent("no Cinder"))
    with caplog.at_level("INFO"), pytest.raises(StaleCluster):
        found.gather(["storage"])
    assert [line.levelname for line in caplog.records if "no Cinder" in line.message] == ["INFO"]
