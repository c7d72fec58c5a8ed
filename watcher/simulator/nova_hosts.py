# SPDX-License-Identifier: Apache-2.0
"""The part of compute that is about hosts: hypervisors, services, aggregates, groups, flavors."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from watcher.simulator import nova_views as views
from watcher.simulator.clock import iso
from watcher.simulator.cloud import Cloud
from watcher.simulator.web import (
    Refusal,
    Request,
    Response,
    Route,
    listing,
    need_admin,
    page,
)
from watcher.simulator.world import Server


def routes(cloud: Cloud) -> Sequence[Route]:
    """The resources, relative to /v2.1."""
    table: list[tuple[str, str, Callable[..., Response]]] = [
        ("GET", "/os-hypervisors", hypervisors),
        ("GET", "/os-hypervisors/detail", hypervisors),
        ("GET", "/os-hypervisors/{hypervisor_id}", hypervisor),
        ("GET", "/os-services", services),
        ("PUT", "/os-services/{service_id}", change_service),
        ("GET", "/os-aggregates", aggregates),
        ("GET", "/os-aggregates/{aggregate_id}", aggregate),
        ("GET", "/os-availability-zone", zones),
        ("GET", "/os-availability-zone/detail", zones),
        ("GET", "/os-server-groups", groups),
        ("GET", "/os-server-groups/{group_id}", group),
        ("GET", "/flavors", flavors),
        ("GET", "/flavors/detail", flavors),
        ("GET", "/flavors/{flavor_id}", flavor),
        ("GET", "/flavors/{flavor_id}/os-extra_specs", extra_specs),
    ]
    return [(method, path, partial(handler, cloud)) for method, path, handler in table]


def _detailed(request: Request) -> bool:
    return request.path.rstrip("/").endswith("/detail")


def hypervisors(cloud: Cloud, request: Request) -> Response:
    """GET /os-hypervisors and /os-hypervisors/detail, paged from 2.33."""
    need_admin(request, "os_compute_api:os-hypervisors:list-detail")
    pattern = request.arg("hypervisor_hostname_pattern") or ""
    found = [
        (number, host)
        for number, host in enumerate(cloud.world.hosts.values(), start=1)
        if pattern in host.hypervisor_hostname
    ]
    if pattern and not found:
        raise Refusal(404, f"No hypervisor matching '{pattern}' could be found.")
    rows, following = page(request, found, lambda row: row[1].uuid)
    asked = request.arg("with_servers", "false") in ("1", "true", "True")
    on = _residents(cloud) if asked else {}
    shown = [
        views.hypervisor(host, number, request.version, on.get(host.name, []) if asked else None)
        for number, host in rows
    ]
    if not _detailed(request):
        kept = ("id", "hypervisor_hostname", "state", "status", "servers")
        shown = [{key: row[key] for key in kept if key in row} for row in shown]
    return listing(request, "hypervisors", shown, following)


def _residents(cloud: Cloud) -> dict[str, list[Server]]:
    on: dict[str, list[Server]] = {}
    for one in cloud.world.servers.values():
        if one.vm_state != "deleted":
            on.setdefault(one.host, []).append(one)
    return on


def hypervisor(cloud: Cloud, request: Request, hypervisor_id: str) -> Response:
    """GET /os-hypervisors/{id}."""
    need_admin(request, "os_compute_api:os-hypervisors:show")
    asked = request.arg("with_servers", "false") in ("1", "true", "True")
    for number, host in enumerate(cloud.world.hosts.values(), start=1):
        if hypervisor_id in (host.uuid, str(number)):
            on = _residents(cloud).get(host.name, []) if asked else None
            return Response({"hypervisor": views.hypervisor(host, number, request.version, on)})
    raise Refusal(404, f"Compute host {hypervisor_id} could not be found.")


def services(cloud: Cloud, request: Request) -> Response:
    """GET /os-services: nova-compute of each host, and the control plane's two."""
    need_admin(request, "os_compute_api:os-services:list")
    binary, host_name, now = request.arg("binary"), request.arg("host"), cloud.clock.now()
    computes = [
        views.service(host, number, request.version, now)
        for number, host in enumerate(cloud.world.hosts.values(), start=1)
    ]
    shown = [
        row
        for row in [*_control_plane(request, now), *computes]
        if binary in (None, row["binary"]) and host_name in (None, row["host"])
    ]
    return Response({"services": shown})


def _control_plane(request: Request, now: float) -> list[dict[str, Any]]:
    by_uuid = request.version >= (2, 53)
    return [
        {
            "id": f"00000000-0000-4000-8000-00000000000{at}" if by_uuid else 900000 + at,
            "binary": binary,
            "host": "controller",
            "zone": "internal",
            "status": "enabled",
            "state": "up",
            "updated_at": iso(now, micro=True),
            "disabled_reason": None,
            **({"forced_down": False} if request.version >= (2, 11) else {}),
        }
        for at, binary in enumerate(("nova-scheduler", "nova-conductor"))
    ]


def change_service(cloud: Cloud, request: Request, service_id: str) -> Response:
    """PUT /os-services/{uuid} (2.53): status, disabled_reason, forced_down."""
    need_admin(request, "os_compute_api:os-services:update")
    if request.version < (2, 53):
        raise Refusal(404, "The resource could not be found.")
    found = [
        (number, one)
        for number, one in enumerate(cloud.world.hosts.values(), start=1)
        if one.service_uuid == service_id
    ]
    if not found:
        raise Refusal(404, f"Service {service_id} could not be found.")
    number, host = found[0]
    wanted = request.json()
    unknown = set(wanted) - {"status", "disabled_reason", "forced_down"}
    if unknown or not wanted or wanted.get("status", "enabled") not in ("enabled", "disabled"):
        raise Refusal(400, f"Invalid input for service {service_id}: {wanted}")
    if "disabled_reason" in wanted and wanted.get("status") != "disabled":
        raise Refusal(400, "Specifying disabled_reason is only valid when status is disabled.")
    if "status" in wanted:
        host.enabled = wanted["status"] == "enabled"
        host.disabled_reason = wanted.get("disabled_reason")
    host.forced_down = bool(wanted.get("forced_down", host.forced_down))
    return Response({"service": views.service(host, number, request.version, cloud.clock.now())})


def aggregates(cloud: Cloud, request: Request) -> Response:
    """GET /os-aggregates."""
    need_admin(request, "os_compute_api:os-aggregates:index")
    shown = [views.aggregate(one, request.version) for one in cloud.world.aggregates]
    return Response({"aggregates": shown})


def aggregate(cloud: Cloud, request: Request, aggregate_id: str) -> Response:
    """GET /os-aggregates/{id}."""
    need_admin(request, "os_compute_api:os-aggregates:show")
    for one in cloud.world.aggregates:
        if str(one.id) == aggregate_id:
            return Response({"aggregate": views.aggregate(one, request.version)})
    raise Refusal(404, f"Aggregate {aggregate_id} could not be found.")


def zones(cloud: Cloud, request: Request) -> Response:
    """GET /os-availability-zone; with the hosts in /detail, which admins may see."""
    detailed = _detailed(request)
    if detailed:
        need_admin(request, "os_compute_api:os-availability-zone:detail")
    now = iso(cloud.clock.now(), micro=True)
    shown: dict[str, dict[str, Any]] = {}
    for host in cloud.world.hosts.values():
        state = {"available": host.alive, "active": host.enabled, "updated_at": now}
        shown.setdefault(host.zone, {})[host.name] = {"nova-compute": state}
    return Response(
        {
            "availabilityZoneInfo": [
                {
                    "zoneName": zone,
                    "zoneState": {"available": True},
                    "hosts": hosts if detailed else None,
                }
                for zone, hosts in shown.items()
            ]
        }
    )


def groups(cloud: Cloud, request: Request) -> Response:
    """GET /os-server-groups: one's own, or all for admins with all_projects."""
    everybody = "all_projects" in request.query and request.identity.admin
    found = [
        views.group(one, request.version)
        for one in cloud.world.groups
        if everybody or one.project_id == request.identity.project_id
    ]
    limit, offset = request.arg("limit") or "1000", request.arg("offset") or "0"
    if not (limit.isdecimal() and offset.isdecimal()):
        raise Refusal(400, "limit and offset must be non-negative integers")
    end = int(offset) + min(int(limit), 1000)
    return Response({"server_groups": found[int(offset) : end]})


def group(cloud: Cloud, request: Request, group_id: str) -> Response:
    """GET /os-server-groups/{id}."""
    for one in cloud.world.groups:
        if one.id == group_id:
            return Response({"server_group": views.group(one, request.version)})
    raise Refusal(404, f"Instance group {group_id} could not be found.")


def flavors(cloud: Cloud, request: Request) -> Response:
    """GET /flavors and /flavors/detail."""
    found = list(cloud.world.flavors.values())
    rows, following = page(request, found, lambda one: one.id)
    shown = [views.flavor(one, request.origin, request.version) for one in rows]
    if not _detailed(request):
        kept = ("id", "name", "links")
        shown = [{key: row[key] for key in kept} for row in shown]
    return listing(request, "flavors", shown, following)


def flavor(cloud: Cloud, request: Request, flavor_id: str) -> Response:
    """GET /flavors/{id}."""
    one = cloud.world.flavors.get(flavor_id)
    if one is None:
        raise Refusal(404, f"Flavor {flavor_id} could not be found.")
    return Response({"flavor": views.flavor(one, request.origin, request.version)})


def extra_specs(cloud: Cloud, request: Request, flavor_id: str) -> Response:
    """GET /flavors/{id}/os-extra_specs."""
    del request
    one = cloud.world.flavors.get(flavor_id)
    if one is None:
        raise Refusal(404, f"Flavor {flavor_id} could not be found.")
    return Response({"extra_specs": one.extra_specs})
