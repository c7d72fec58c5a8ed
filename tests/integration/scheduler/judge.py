# SPDX-License-Identifier: Apache-2.0
"""The real Nova scheduler and the real Placement as judges of made-up clouds, in one process.

Run by the cloud's own Python, which has both. Reads clouds as JSON, one a line; answers a line of
JSON each: for each instance, for each host, who refuses the move ('' when nobody does). Placement
is its WSGI application on SQLite in memory; the request goes through Nova's prefilters, becomes
Nova's own query, and the candidates go through the host filters and the live migration check.
Only what those would read from Nova's database is given to them directly, and what others would
have written to Placement's is written there by rows.
"""

import json
import logging
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import jsonschema
import webob
from nova import conf as nova_conf
from nova import context, exception, objects
from nova.conductor.tasks.live_migrate import LiveMigrationTask
from nova.scheduler import host_manager, request_filter, utils
from nova.scheduler.filters import (
    affinity_filter,
    aggregate_image_properties_isolation,
    aggregate_instance_extra_specs,
    aggregate_multitenancy_isolation,
    compute_capabilities_filter,
    compute_filter,
    image_props_filter,
    numa_topology_filter,
    type_filter,
)
from oslo_config import cfg
from placement import conf as placement_conf
from placement import db_api, deploy
from placement.db.sqlalchemy import models
from sqlalchemy import insert, select

ALWAYS = (
    compute_filter.ComputeFilter,
    compute_capabilities_filter.ComputeCapabilitiesFilter,
    image_props_filter.ImagePropertiesFilter,
    affinity_filter.ServerGroupAntiAffinityFilter,
    affinity_filter.ServerGroupAffinityFilter,
)
OPTIONAL = (
    aggregate_instance_extra_specs.AggregateInstanceExtraSpecsFilter,
    aggregate_multitenancy_isolation.AggregateMultiTenancyIsolation,
    aggregate_image_properties_isolation.AggregateImagePropertiesIsolation,
    type_filter.AggregateTypeAffinityFilter,
)
OPTIONS = (
    "limit_tenants_to_placement_aggregate",
    "enable_isolated_aggregate_filtering",
    "image_metadata_prefilter",
)
PROJECT = "0" * 32
Json = dict[str, Any]


class Placement:
    """The service, asked as over HTTP."""

    def __init__(self) -> None:
        config = cfg.ConfigOpts()
        placement_conf.register_opts(config)
        config.set_override("connection", "sqlite://", "placement_database")
        config([], project="placement", default_config_files=[])
        config.set_override("sync_on_startup", True, "placement_database")
        config.set_override("auth_strategy", "noauth2", "api")
        db_api.configure(config)
        self._app = deploy.loadapp(config)
        self.ask("PUT", "/resource_classes/CUSTOM_FPGA")
        self._traits: set[str] = set()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"x-auth-token": "admin", "OpenStack-API-Version": "placement 1.36"}
        request = webob.Request.blank(path, method=method, headers=headers)
        if body is not None:
            request.json_body, request.content_type = body, "application/json"
        answer = request.get_response(self._app)
        if answer.status_int >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.text}")
        return answer.json if answer.body else None

    def fill(self, cloud: Json) -> None:
        """Forget everything and hold this cloud: the rows that its API would have written."""
        with db_api.placement_context_manager.writer.using(db_api.DbContext()) as session:
            for table in reversed(models.BASE.metadata.sorted_tables):
                if table.name not in ("traits", "resource_classes"):
                    session.execute(table.delete())
        for name in {name for host in cloud["hosts"] for name in host["traits"]} - self._traits:
            if name.startswith("CUSTOM_"):
                self.ask("PUT", f"/traits/{name}")
            self._traits.add(name)
        self._answers: dict[str, set[str]] = {}
        with db_api.placement_context_manager.writer.using(db_api.DbContext()) as session:
            traits = dict(session.execute(select(models.Trait.name, models.Trait.id)).all())
            kinds = models.ResourceClass.name, models.ResourceClass.id
            classes = dict(session.execute(select(*kinds)).all())
            for model, rows in _rows(cloud, traits, classes).items():
                if rows:
                    session.execute(insert(model), rows)

    def candidates(self, query: str) -> set[str]:
        """The providers that could hold what is asked for; the same question is asked once."""
        if query not in self._answers:
            found = self.ask("GET", f"/allocation_candidates?{query}")
            self._answers[query] = set(found["provider_summaries"])
        return self._answers[query]


def _rows(cloud: Json, traits: dict[str, int], classes: dict[str, int]) -> dict[Any, list[Json]]:
    """What Placement's tables hold of a cloud; a provider's id is its place, from 1 on."""
    rows: dict[Any, list[Json]] = defaultdict(list)
    ids = {host["name"]: place for place, host in enumerate(cloud["hosts"], start=1)}
    for host in cloud["hosts"]:
        here = {"resource_provider_id": ids[host["name"]]}
        own = {"id": ids[host["name"]], "root_provider_id": ids[host["name"]], "generation": 3}
        rows[models.ResourceProvider].append({**own, "uuid": host["uuid"], "name": host["name"]})
        rows[models.Inventory] += [
            {**here, "resource_class_id": classes[kind], **amounts}
            for kind, amounts in host["inventories"].items()
        ]
        # nova-compute marks the providers that are its own.
        rows[models.ResourceProviderTrait] += [
            {**here, "trait_id": traits[name]} for name in {*host["traits"], "OWNER_NOVA"}
        ]
    for place, one in enumerate(cloud["aggregates"], start=1):
        rows[models.PlacementAggregate].append({"id": place, "uuid": one["uuid"]})
        rows[models.ResourceProviderAggregate] += [
            {"resource_provider_id": ids[host], "aggregate_id": place} for host in one["hosts"]
        ]
    for model in (models.Project, models.User):
        rows[model].append({"id": 1, "external_id": PROJECT})
    for consumer, host, amounts in _held(cloud):
        owner = {"uuid": consumer, "project_id": 1, "user_id": 1, "generation": 1}
        rows[models.Consumer].append(owner)
        here = {"resource_provider_id": ids[host], "consumer_id": consumer}
        rows[models.Allocation] += [
            {**here, "resource_class_id": classes[kind], "used": amount}
            for kind, amount in amounts.items()
        ]
    return rows


def _held(cloud: Json) -> list[tuple[str, str, dict[str, int]]]:
    """What every instance has on its host, and what is held there by nobody known."""
    held = [(one["uuid"], one["host"], one["resources"]) for one in cloud["instances"]]
    held += [(host["holder"], host["name"], host["held"]) for host in cloud["hosts"]]
    return [
        (consumer, host, amounts)
        for consumer, host, given in held
        if (amounts := {kind: amount for kind, amount in given.items() if amount})
    ]


class Judge:
    """One cloud, as Nova sees it."""

    def __init__(self, cloud: Json, placement: Placement) -> None:
        self.cloud, self.placement = cloud, placement
        self.context = context.get_admin_context()
        self.aggregates = [
            objects.Aggregate(uuid=one["uuid"], name=one["name"], metadata=one["metadata"])
            for one in cloud["aggregates"]
        ]
        self.states = [self._state(host) for host in cloud["hosts"]]
        chosen = [one for one in OPTIONAL if one.__name__ in cloud["filters"]]
        # The one that copies the whole request for each host is asked about the fewest.
        last = numa_topology_filter.NUMATopologyFilter
        self.filters = [make() for make in (*ALWAYS, *chosen, last)]
        for name in OPTIONS:
            nova_conf.CONF.set_override(name, name in cloud["filters"], "scheduler")
        # What Nova would ask its database about aggregates, asked of this cloud.
        objects.AggregateList.get_by_metadata = self._by_metadata
        objects.AggregateList.get_non_matching_by_metadata_keys = self._not_matching
        objects.service.get_minimum_version_all_cells = lambda *_, **__: 100

    def _by_metadata(self, _context: Any, key: Any = None, value: Any = None) -> list[Any]:
        return [
            one
            for one in self.aggregates
            if any(key in (None, k) and value in (None, v) for k, v in one.metadata.items())
        ]

    def _not_matching(
        self, _context: Any, ignored: list[str], prefix: str, value: str
    ) -> list[Any]:
        return [
            one
            for one in self.aggregates
            if any(
                key.startswith(prefix) and text == value and key not in ignored
                for key, text in one.metadata.items()
            )
        ]

    def _state(self, host: Json) -> Any:
        state = host_manager.HostState(host["name"], host["name"], "cell")
        now = datetime.now(UTC).replace(tzinfo=None)
        state.uuid = host["uuid"]
        state.service = {
            "disabled": not host["enabled"],
            "last_seen_up": now if host["up"] else now - timedelta(hours=1),
            "forced_down": False,
            "host": host["name"],
            "binary": "nova-compute",
            "topic": "compute",
        }
        state.hypervisor_type, state.hypervisor_version = host["type"], host["version"]
        state.cpu_info = host["cpu_info"]
        state.supported_instances = host["supported_instances"]
        state.stats = {}
        rows = zip(self.cloud["aggregates"], self.aggregates, strict=True)
        state.aggregates = [one for row, one in rows if host["name"] in row["hosts"]]
        state.instances = {
            one["uuid"]: None for one in self.cloud["instances"] if one["host"] == host["name"]
        }
        state.ram_allocation_ratio = state.cpu_allocation_ratio = 1.0
        return state

    def verdicts(self, instance: Json) -> list[str]:
        """Who refuses this instance, host by host."""
        spec = self._spec(instance)
        try:
            request_filter.process_reqspec(self.context, spec)
        except exception.RequestFilterFailed:
            return ["prefilter"] * len(self.states)
        request = utils.resources_from_request_spec(self.context, spec, None)
        query = request.to_querystring()
        query = query if isinstance(query, str) else urlencode(query)
        candidates = self.placement.candidates(query)
        return [self._verdict(instance, spec, state, candidates) for state in self.states]

    def _verdict(self, instance: Json, spec: Any, state: Any, candidates: set[str]) -> str:
        if state.uuid not in candidates:
            return "Placement"
        for one in self.filters:
            if not one.host_passes(state, spec):
                return type(one).__name__
        return self._live(instance, state) if instance["live"] else ""

    def _live(self, instance: Json, state: Any) -> str:
        """What the conductor says of the two hypervisors."""
        by_name = {one.host: one for one in self.states}
        task = SimpleNamespace(source=instance["host"], _get_compute_info=by_name.__getitem__)
        try:
            LiveMigrationTask._check_compatible_with_source_hypervisor(task, state.host)
        except exception.NovaException as error:
            return type(error).__name__
        return ""

    def _spec(self, instance: Json) -> Any:
        root_gb = instance["resources"]["DISK_GB"]
        properties = instance["image_properties"]
        image = objects.ImageMeta.from_dict({"properties": properties, "disk_format": "qcow2"})
        return objects.RequestSpec(
            flavor=objects.Flavor(
                id=1,
                flavorid="1",
                name=instance["flavor"],
                vcpus=instance["resources"]["VCPU"],
                memory_mb=instance["resources"]["MEMORY_MB"],
                root_gb=root_gb,
                ephemeral_gb=0,
                swap=0,
                extra_specs=instance["extra_specs"],
            ),
            image=image,
            instance_uuid=instance["uuid"],
            project_id=instance["project_id"],
            availability_zone=instance["zone"] or None,
            ignore_hosts=[instance["host"]],
            instance_group=self._group(instance),
            is_bfv=False,
            numa_topology=None,
            pci_requests=None,
            requested_destination=None,
            requested_networks=objects.NetworkRequestList(objects=[]),
            scheduler_hints={},
            requested_resources=[],
            request_level_params=objects.RequestLevelParams(),
        )

    def _group(self, instance: Json) -> Any:
        """The group with its hosts as Nova's ``setup_instance_group`` leaves it."""
        name = instance["group"]
        if not name:
            return None
        told = self.cloud["groups"][name]
        members = [one for one in self.cloud["instances"] if one["group"] == name]
        group = objects.InstanceGroup(
            uuid=told["uuid"],
            members=[one["uuid"] for one in members],
            hosts=sorted({one["host"] for one in members}),
            rules={"max_server_per_host": str(told["max_per_host"])},
        )
        group.policy = told["policy"]
        group.policies = [told["policy"]]
        return group


def main() -> None:
    logging.disable(logging.ERROR)
    objects.register_all()
    nova_conf.CONF([], project="nova", default_config_files=[])
    # Placement would check its own schemas anew with each request: half of the time.
    for one in (jsonschema.Draft4Validator, jsonschema.Draft202012Validator):
        one.check_schema = lambda *_, **__: None
    placement = Placement()
    for line in sys.stdin:
        cloud = json.loads(line)
        placement.fill(cloud)
        judge = Judge(cloud, placement)
        answers = [judge.verdicts(one) for one in cloud["instances"]]
        sys.stdout.write(json.dumps(answers) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
