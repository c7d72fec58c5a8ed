# SPDX-License-Identifier: Apache-2.0
"""Notifications as Nova and Cinder sent them, translated."""

import math

import pytest

from tests.recorded import first, messages, notification
from watcher.collectors.events import Notification, sent_at, translate
from watcher.core.news import FOREVER


def told(event_type, **changed):
    """The only news in the first notification of a type, its innermost data changed."""
    message = first(event_type)
    payload = message["payload"]
    payload.get("nova_object.data", payload).update(changed)
    (news,) = translate(notification(message))
    return news


def silent(event_type, **changed):
    message = first(event_type)
    message["payload"].get("nova_object.data", message["payload"]).update(changed)
    return translate(notification(message)) == []


def test_the_recording_can_be_read_whole():
    for message in messages():
        translate(notification(message))


def test_an_instance_is_told_completely():
    news = told("instance.create.end")
    assert (news.kind, news.key) == ("instance", "772df0ee-65a1-48bb-b698-7e259194d93a")
    assert news.updated_at == news.fields["updated_at"] == 1795825606
    assert news.sent_at == 1795825606.387763
    assert news.fields == {
        "name": "live",
        "host": "compute-04",
        "vcpus": 1,
        "memory_mb": 1024,
        "disk_gb": 5,
        "state": "active",
        "project_id": "ce9efbbf0eb942bbb6d6100571bab004",
        "metadata": {},
        "flavor": "c.tiny",
        "extra_specs": {},
        "created_at": "2026-11-28T00:26:44Z",
        "task_state": "",
        "updated_at": 1795825606,
        "locked": False,
        "domain_name": "instance-00000015",
    }


def test_a_task_and_a_lock_are_told():
    lock = told("instance.lock")
    assert (lock.fields["locked"], "domain_name" in lock.fields) == (True, False)
    tasks = {
        news.fields["task_state"]
        for message in messages()
        if message["event_type"] == "instance.update"
        for news in translate(notification(message))
        if news.fields
    }
    assert {"", "pausing", "migrating", "resize_prep", "deleting"} <= tasks


def test_an_instance_that_boots_from_a_volume_has_no_root_disk():
    assert told("instance.lock", image_uuid="").fields["disk_gb"] == 0
    flavor = first("instance.lock")["payload"]["nova_object.data"]["flavor"]
    flavor["nova_object.data"].update(ephemeral_gb=3, swap=1025)
    assert told("instance.lock", flavor=flavor).fields["disk_gb"] == 5 + 3 + 2


def test_one_that_is_on_no_host_or_was_never_written_since_it_was_made():
    news = told("instance.update")
    assert (news.fields["host"], news.fields["state"]) == ("", "building")
    assert news.updated_at == 1795825604


def test_an_old_payload_tells_of_no_lock():
    message = first("instance.lock")
    del message["payload"]["nova_object.data"]["locked"]
    (news,) = translate(notification(message))
    assert "locked" not in news.fields


def test_the_deleted_are_gone_for_good_and_the_soft_deleted_are_gone():
    gone = told("instance.delete.end")
    assert (gone.updated_at, gone.fields) == (FOREVER, None)
    soft = told("instance.lock", state="soft-delete")
    assert soft.updated_at < FOREVER
    assert soft.fields is None


def test_the_source_of_a_live_migration_is_not_believed():
    assert silent("instance.live_migration_post.start")
    assert silent("instance.exists")


def test_a_compute_service():
    news = told("service.update")
    assert (news.kind, news.key, news.updated_at) == ("host", "compute-06", 0)
    assert news.fields == {"up": True, "enabled": False, "disabled_reason": "hands in it"}
    assert told("service.update", forced_down=True).fields["up"] is False
    assert told("service.update", last_seen_up="2026-11-28T00:20:00Z").fields["up"] is False
    assert told("service.update", last_seen_up=None).fields["up"] is False
    assert silent("service.update", binary="nova-conductor")


def test_a_compute_service_that_is_deleted():
    message = {**first("service.update"), "event_type": "service.delete"}
    (news,) = translate(notification(message))
    assert (news.kind, news.fields) == ("host", None)


def test_aggregates_and_groups_are_left_to_a_reading():
    assert told("aggregate.add_host.end").key == "aggregate passing"
    assert told("aggregate.add_host.end").kind == "other"
    assert silent("aggregate.add_host.start")
    assert told("server_group.add_member").key.startswith("server group ")


def test_a_volume():
    news = told("volume.attach.end")
    assert (news.kind, news.updated_at) == ("volume", 0)
    assert news.fields == {
        "name": "v1 renamed",
        "size_gb": 1,
        "status": "in-use",
        "pool": "storage@fast#fast",
        "volume_type": "c412b327-8be5-428e-908d-c07992d5ca25",
        "project_id": "ce9efbbf0eb942bbb6d6100571bab004",
        "servers": ("772df0ee-65a1-48bb-b698-7e259194d93a",),
        "zone": "nova",
    }
    assert told("volume.retype").fields["pool"] == "storage@slow#slow"
    assert told("volume.delete.end")[2:] == ("volume", news.key, None)
    assert silent("volume.create.start")


def test_snapshots_of_a_volume():
    assert told("snapshot.create.end").fields == {"snapshots": True}
    assert told("snapshot.delete.end").fields == {}
    assert silent("snapshot.create.start")


def test_a_pool():
    news = told("capacity.pool", free="unknown")
    assert (news.kind, news.key) == ("pool", "storage@fast#fast")
    assert (news.fields["total_gb"], news.fields["provisioned_gb"]) == (1000.0, 0.0)
    assert math.isnan(news.fields["free_gb"])


def test_other_events_are_of_no_interest():
    assert translate(Notification("compute_task.migrate_server.error", "nova", 0.0, {})) == []
    assert translate(Notification("capacity.backend", "capacity.storage", 0.0, {})) == []


@pytest.mark.parametrize("event", ["instance.update", "volume.update.end", "service.update"])
def test_a_payload_of_another_form_is_an_error(event):
    with pytest.raises(KeyError):
        translate(Notification(event, "nova", 0.0, {"something": "else"}))


def test_when_it_was_sent():
    assert sent_at({"timestamp": "1970-01-01 00:01:00.5"}) == 60.5
