# SPDX-License-Identifier: Apache-2.0
"""A cloud that changes and tells of it as the real Nova does, for tests of the live model.

What it sends has the form that was recorded (``tests.recorded``); what it is can be read at any
moment, as a collector would.
"""

import json
import random
from datetime import UTC, datetime

from tests.recorded import first
from tests.worlds import FLAVORS, uuid
from watcher.core.cluster import ServerGroup
from watcher.core.records import HostRecord, InstanceRecord, assemble

STATES = ("active", "stopped", "paused", "suspended", "error", "rescued")


def iso(moment_s):
    """Nova's way: whole seconds in UTC."""
    return datetime.fromtimestamp(int(moment_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class TellingCloud:
    """Hosts, instances, and a clock that goes on a little with everything that happens."""

    def __init__(self, seed, hosts, instances, start_s=1_795_000_000.0, step_s=0.3):
        self.chance = random.Random(seed)
        self.now_s = start_s
        self.step_s = step_s
        self.groups = [ServerGroup(uuid("group"), "anti-affinity")]
        self.hosts = {
            name: HostRecord(uuid(name), name, 64, 1 << 19, 1 << 13)
            for name in (f"c{number:04d}" for number in range(hosts))
        }
        self.instances = {}
        for number in range(instances):
            made = self._made(f"vm{number}")
            group = uuid("group") if number % 10 == 0 else ""
            hints = {"group": group} if group else {}
            self.instances[made.uuid] = made._replace(group=group, hints=hints)
        self.names = list(self.hosts)
        self.living = list(self.instances)
        self._count = instances
        self._templates = {
            name: json.dumps(first(name))
            for name in ("instance.update", "instance.delete.end", "service.update")
        }

    def read(self):
        """What a collector would read now."""
        return assemble(
            list(self.hosts.values()),
            list(self.instances.values()),
            self.groups,
            taken_at=self.now_s,
        )

    def happen(self):
        """Let something happen and return what Nova says of it."""
        self.now_s += self.chance.random() * self.step_s
        kind = self.chance.choices(("change", "make", "delete", "service"), weights=(80, 8, 6, 6))[
            0
        ]
        if kind == "make" or not self.living:
            return self._make()
        if kind == "delete":
            return self._delete()
        return self._service() if kind == "service" else self._change()

    def _made(self, name):
        vcpus, memory_mb, disk_gb = self.chance.choice(FLAVORS)
        return InstanceRecord(
            uuid=uuid(name),
            name=name,
            host=self.chance.choice(list(self.hosts)),
            vcpus=vcpus,
            memory_mb=memory_mb,
            disk_gb=disk_gb,
            flavor=f"f{vcpus}",
            created_at=iso(self.now_s),
            updated_at=int(self.now_s),
        )

    def _make(self):
        self._count += 1
        made = self._made(f"vm{self._count}")
        self.instances[made.uuid] = made
        self.living.append(made.uuid)
        return self._told("instance.update", made)

    def _change(self):
        one = self.instances[self.chance.choice(self.living)]
        changed = [
            {"host": self.chance.choice(self.names)},
            {"state": self.chance.choice(STATES)},
            {"locked": not one.locked},
            {"task_state": self.chance.choice(("", "migrating"))},
            {"metadata": {"env": str(self.chance.random())}},
            {"name": f"{one.name[:8]}'"},
        ]
        after = one._replace(**self.chance.choice(changed), updated_at=int(self.now_s))
        self.instances[one.uuid] = after
        return self._told("instance.update", after)

    def _delete(self):
        uuid_ = self.living.pop(self.chance.randrange(len(self.living)))
        gone = self.instances.pop(uuid_)._replace(state="deleted")
        return self._told("instance.delete.end", gone)

    def _service(self):
        host = self.hosts[self.chance.choice(self.names)]
        enabled = self.chance.random() < 0.7
        reason = "" if enabled else "told"
        up = self.chance.random() < 0.9
        after = host._replace(enabled=enabled, disabled_reason=reason, up=up)
        self.hosts[host.name] = after
        message = self._message("service.update")
        message["payload"]["nova_object.data"].update(
            host=host.name,
            disabled=not enabled,
            disabled_reason=reason or None,
            forced_down=not up,
            last_seen_up=iso(self.now_s),
        )
        return message

    def _told(self, event, one):
        message = self._message(event)
        data = message["payload"]["nova_object.data"]
        data.update(
            uuid=one.uuid,
            display_name=one.name,
            host=one.host,
            state=one.state,
            task_state=one.task_state or None,
            locked=one.locked,
            metadata=dict(one.metadata),
            tenant_id=one.project_id,
            created_at=one.created_at,
            updated_at=iso(one.updated_at),
        )
        data["flavor"]["nova_object.data"].update(
            name=one.flavor, vcpus=one.vcpus, memory_mb=one.memory_mb, root_gb=one.disk_gb
        )
        return message

    def _message(self, event):
        message = json.loads(self._templates[event])
        sent = datetime.fromtimestamp(self.now_s, UTC).replace(tzinfo=None)
        message["metadata"]["timestamp"] = str(sent)
        return message
