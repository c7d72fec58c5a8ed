# SPDX-License-Identifier: Apache-2.0
"""A Nova virt driver for tests: a hypervisor that lives in memory.

It is Nova's own fake driver with what a cloud that lives for a while needs:

* a size for each host (``[fakecloud] vcpus, memory_mb, local_gb``);
* a node identity kept in state_path, so that nova-compute can be restarted;
* guests that come back at a restart, with the power state the database holds;
* a live migration that takes ``[fakecloud] live_migration_seconds``, that several
  guests can be in at once, and that force-complete and abort act on.

What a server's metadata says changes what happens to it:

``live_migration_seconds``  how long its live migration takes
``fail_live_migration``     ``check``: the destination refuses it before anything is
                            begun, the migration record ends in ``error``;
                            ``prepare``: the destination fails to prepare;
                            ``copy`` or anything else: the copy breaks half-way;
                            these two end in ``failed``
``fail_cold_migration``     the source cannot power it off: the record ends in
                            ``error``

After each of these failures the server is ACTIVE on its source, as with libvirt, and
the reason is among the events of the server's last instance action (not for ``copy``:
there Nova's compute log alone has it, as with libvirt).

Nova only loads drivers below the package nova.virt; ``tools/cloud`` therefore puts a
module nova/virt/fakecloud.py into its venv that imports this class.
"""

import threading
import time

import nova.conf
from nova import exception
from nova.virt import fake
from oslo_config import cfg

CONF = nova.conf.CONF
CONF.register_opts(
    [
        cfg.IntOpt("vcpus", default=8, help="vCPUs of this host"),
        cfg.IntOpt("memory_mb", default=32768, help="MiB of memory of this host"),
        cfg.IntOpt("local_gb", default=200, help="GiB of disk of this host"),
        cfg.FloatOpt(
            "live_migration_seconds", default=1.0, help="how long a live migration's copy takes"
        ),
    ],
    group="fakecloud",
)


class _Copy:
    """A guest that is being copied away."""

    def __init__(self):
        self.ended = threading.Event()
        self.aborted = False

    def end(self, aborted):
        self.aborted = aborted
        self.ended.set()


class FakeCloudDriver(fake.FakeDriverWithoutFakeNodes):
    """A hypervisor in memory."""

    def __init__(self, virtapi, read_only=False):
        self.vcpus = CONF.fakecloud.vcpus
        self.memory_mb = CONF.fakecloud.memory_mb
        self.local_gb = CONF.fakecloud.local_gb
        super().__init__(virtapi, read_only)
        self._copies = {}
        self._started = time.monotonic()

    def get_host_uptime(self):
        """In the words of uptime(1), which Nova takes apart."""
        minutes = int(time.monotonic() - self._started) // 60
        days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
        now = time.strftime("%H:%M:%S")
        return f"{now} up {days} days, {hours:2}:{minutes:02},  0 users,  load average: 0, 0, 0"

    def process_instances_at_startup(self, context, instances):
        """Take up again the guests that the database places on this host."""
        for instance in instances:
            if instance.uuid in self.instances or instance.task_state:
                continue
            if instance.launched_at is None or instance.vm_state == "error":
                continue
            self.resources.claim(
                vcpus=instance.flavor.vcpus,
                mem=instance.flavor.memory_mb,
                disk=instance.flavor.root_gb,
            )
            self.instances[instance.uuid] = fake.FakeInstance(
                instance.name, instance.power_state, instance.uuid
            )
        return instances

    def check_can_live_migrate_destination(self, context, instance, *args, **kwargs):
        """On the destination, before anything is begun."""
        if instance.metadata.get("fail_live_migration") == "check":
            raise exception.MigrationPreCheckError(
                reason=f"host {CONF.host} is told to refuse instance {instance.uuid}"
            )
        return super().check_can_live_migrate_destination(context, instance, *args, **kwargs)

    def pre_live_migration(self, context, instance, *args, **kwargs):
        """On the destination, before the copy."""
        if instance.metadata.get("fail_live_migration") == "prepare":
            raise exception.MigrationError(
                reason=f"host {CONF.host} cannot prepare for instance {instance.uuid}"
            )
        return super().pre_live_migration(context, instance, *args, **kwargs)

    def live_migration(
        self,
        context,
        instance,
        dest,
        post_method,
        recover_method,
        block_migration=False,
        migrate_data=None,
    ):
        """On the source: copy, then hand over or roll back."""
        seconds = float(
            instance.metadata.get("live_migration_seconds", CONF.fakecloud.live_migration_seconds)
        )
        fails = "fail_live_migration" in instance.metadata
        copy = self._copies[instance.uuid] = _Copy()
        copy.ended.wait(seconds / 2 if fails else seconds)
        del self._copies[instance.uuid]
        if copy.aborted:
            recover_method(context, instance, dest, migrate_data, migration_status="cancelled")
        elif fails:
            recover_method(context, instance, dest, migrate_data)
        else:
            post_method(context, instance, dest, block_migration, migrate_data)

    def _end_copy(self, instance, aborted):
        copy = self._copies.get(instance.uuid)
        if copy:
            copy.end(aborted)

    def live_migration_force_complete(self, instance):
        """Hand over now."""
        self._end_copy(instance, aborted=False)

    def live_migration_abort(self, instance):
        """Roll back now."""
        self._end_copy(instance, aborted=True)

    def post_live_migration(self, context, instance, block_device_info, migrate_data=None):
        """On the source, after the copy: the guest is here no longer."""
        self.destroy(context, instance, network_info=None, block_device_info=block_device_info)

    def post_live_migration_at_source(self, context, instance, network_info):
        """On the source: nothing was plugged, so nothing is unplugged."""

    def migrate_disk_and_power_off(self, context, instance, *args, **kwargs):
        """On the source of a cold migration or a resize."""
        if "fail_cold_migration" in instance.metadata:
            raise exception.InstanceFaultRollback(
                exception.ResizeError(
                    reason=f"host {CONF.host} cannot power off instance {instance.uuid}"
                )
            )
        return super().migrate_disk_and_power_off(context, instance, *args, **kwargs)
