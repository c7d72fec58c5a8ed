# SPDX-License-Identifier: Apache-2.0
"""A Cinder volume driver for tests: a storage pool that lives in memory.

Every call succeeds and stores nothing but Cinder's own records, so volumes
can be created, extended, snapshotted, attached to fake servers, retyped and
migrated between back ends. A pool has a finite size (fakecloud_capacity_gb) and
its free space follows its volumes, which is what a storage-balancing strategy
looks at.
"""

import threading

from cinder import context as cinder_context
from cinder import interface, objects
from cinder.volume import configuration, driver
from oslo_config import cfg

OPTIONS = [
    cfg.IntOpt("fakecloud_capacity_gb", default=1000, help="size of the pool of this back end"),
    # Real storage takes a while, and cinder counts on it: at the end of the
    # migration of an attached volume it has the old copy deleted and only
    # then moves the attachment over, which a deletion at once takes with it.
    cfg.FloatOpt(
        "fakecloud_delete_seconds", default=1.0, help="how long it takes to delete a volume"
    ),
]
cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)


@interface.volumedriver
class FakeCloudVolumeDriver(driver.VolumeDriver):
    VERSION = "1.0"
    CI_WIKI_NAME = "none"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)

    @staticmethod
    def get_driver_options():
        return OPTIONS

    def check_for_setup_error(self):
        pass

    # -- capacity ----------------------------------------------------------

    def _update_volume_stats(self):
        name = self.configuration.safe_get("volume_backend_name")
        total = self.configuration.fakecloud_capacity_gb
        # Ask the database, not a counter: a driver-assisted migration moves
        # a volume between back ends without telling the destination.
        used = sum(
            volume.size
            for volume in objects.VolumeList.get_all_by_host(
                cinder_context.get_admin_context(), self.host
            )
        )
        self._stats = {
            "volume_backend_name": name,
            "vendor_name": "lab",
            "driver_version": self.VERSION,
            "storage_protocol": "fakecloud",
            "pools": [
                {
                    "pool_name": name,
                    "total_capacity_gb": total,
                    "free_capacity_gb": max(0, total - used),
                    "provisioned_capacity_gb": used,
                    "max_over_subscription_ratio": 1.0,
                    "thin_provisioning_support": False,
                    "thick_provisioning_support": True,
                    "reserved_percentage": 0,
                    "QoS_support": False,
                    "multiattach": True,
                }
            ],
        }

    # -- volumes and snapshots -----------------------------------------------

    def create_volume(self, volume):
        pass

    def delete_volume(self, volume):
        threading.Event().wait(self.configuration.fakecloud_delete_seconds)

    def extend_volume(self, volume, new_size):
        pass

    def create_cloned_volume(self, volume, src_vref):
        pass

    def create_snapshot(self, snapshot):
        pass

    def delete_snapshot(self, snapshot):
        pass

    def create_volume_from_snapshot(self, volume, snapshot):
        pass

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        pass

    # -- moving --------------------------------------------------------------

    def migrate_volume(self, context, volume, host):
        return True, None

    def retype(self, context, volume, new_type, diff, host):
        return True, None

    def update_migrated_volume(self, context, volume, new_volume, original_volume_status):
        return {"_name_id": None, "provider_location": None}

    # -- attaching -----------------------------------------------------------

    def ensure_export(self, context, volume):
        pass

    def create_export(self, context, volume, connector):
        pass

    def remove_export(self, context, volume):
        pass

    def initialize_connection(self, volume, connector, initiator_data=None):
        return {
            "driver_volume_type": "iscsi",
            "data": {"volume_id": volume.id, "access_mode": "rw"},
        }

    def terminate_connection(self, volume, connector, **kwargs):
        pass
