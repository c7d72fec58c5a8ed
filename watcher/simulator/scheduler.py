# SPDX-License-Identifier: Apache-2.0
"""Which hosts would accept a server: the rules of Nova's default filters and of Placement."""

from watcher.simulator.world import RESOURCE_CLASSES, Host, Resources, Server, World

NO_VALID_HOST = "No valid host was found. There are not enough hosts available."


def refusals(world: World, server: Server, host: Host, need: Resources) -> list[str]:
    """Why a host does not take a server; empty when it does."""
    reasons = []
    if host.name == server.host:
        reasons.append("the server is on it")
    if not host.enabled:
        reasons.append("disabled")
    if not host.alive:
        reasons.append("down")
    if server.pinned_zone and server.pinned_zone != host.zone:
        reasons.append(f"not in zone {server.pinned_zone}")
    for name, used, asked, capacity in zip(
        RESOURCE_CLASSES, host.used, need, host.capacity, strict=True
    ):
        if used + asked > capacity:
            reasons.append(f"{name}: {used} + {asked} > {capacity}")
    reasons += _flavor_refusals(world, server, host)
    group = _group_refusal(world, server, host)
    return [*reasons, group] if group else reasons


def _flavor_refusals(world: World, server: Server, host: Host) -> list[str]:
    """What traits and the aggregates' metadata say, as far as Nova's plain values go."""
    metadata, reasons = world.metadata_of(host.name), []
    for key, value in server.flavor.extra_specs.items():
        scope, _, name = key.partition(":")
        if scope == "trait" and (name in host.traits) != (value == "required"):
            reasons.append(f"trait {name} is {value}")
        if scope == "aggregate_instance_extra_specs" and value not in metadata.get(name, ()):
            reasons.append(f"in no aggregate with {name} {value}")
    owners = [words for key, words in metadata.items() if key.startswith("filter_tenant_id")]
    if owners and server.project_id not in set().union(*owners):
        reasons.append("its aggregate is for other projects")
    return reasons


def _group_refusal(world: World, server: Server, host: Host) -> str | None:
    """What the server's group says; the soft policies refuse nothing."""
    group = world.group_of(server.uuid)
    if group is None:
        return None
    places = [other.host for other in world.group_members_elsewhere(group, server.uuid)]
    # As Nova does, the server itself is counted among its group.
    if group.policy == "affinity" and host.name not in (*places, server.host):
        return f"group {group.name} is elsewhere"
    if group.policy == "anti-affinity" and places.count(host.name) >= group.max_server_per_host:
        return f"group {group.name} has a member there"
    return None


def choose(world: World, server: Server, need: Resources) -> Host | None:
    """The host the scheduler takes: of those that accept, the one with most free memory."""
    accepting = [host for host in world.hosts.values() if not refusals(world, server, host, need)]
    return max(accepting, key=lambda host: host.capacity.ram_mb - host.used.ram_mb, default=None)
