# SPDX-License-Identifier: Apache-2.0
"""The report of a real plan for the documentation: a consolidation of a small simulated cloud.

The cloud, its loads and the strategy are what they always are, so the picture is what reports look
like with the code of today, and the same each time.
"""

from dataclasses import replace
from functools import cache

from watcher.core.goals import efficacy
from watcher.core.metrics import Metric, Metrics
from watcher.core.parameters import parse
from watcher.planners.weight import Weight
from watcher.plugins import goals
from watcher.report import evidence, page, poster
from watcher.report.account import Account, Deed, Head
from watcher.simulator.columns import loads, to_cluster
from watcher.simulator.generate import generate
from watcher.solvers.makespan import DESTINATION, SOURCE, TOTAL
from watcher.strategies.vm_workload_consolidation import VmWorkloadConsolidation

HOSTS, INSTANCES, SEED = 12, 60, 4
READ_AT = 1764316800.0
LIMITS = {TOTAL: 6, SOURCE: 2, DESTINATION: 2}
DONE = 14
"""So many of the actions have been carried out, the one after them has failed."""


@cache
def account() -> Account:
    """The account of the plan while it is carried out."""
    world = generate(seed=SEED, hosts=HOSTS, instances=INSTANCES)
    cluster, measured = replace(to_cluster(world), taken_at=READ_AT), loads(world)
    strategy = VmWorkloadConsolidation()
    parameters = parse(strategy.parameters, {})
    columns = {
        Metric.INSTANCE_CPU_USAGE: measured.instance_cpu_percent,
        Metric.INSTANCE_RAM_USAGE: measured.instance_ram_mb,
        Metric.HOST_CPU_USAGE: measured.host_cpu_percent,
        Metric.HOST_RAM_USAGE: measured.host_ram_kib,
    }
    metrics = Metrics({query: columns[query.metric] for query in strategy.queries(parameters)})
    solution = strategy.solve(cluster, metrics, parameters)
    plan = Weight().order(solution, cluster)
    indicators, overall = efficacy(goals()[strategy.goal], solution.indicators)
    states = ["SUCCEEDED"] * DONE + ["FAILED"] + ["PENDING"] * len(plan.actions)
    deeds = [
        Deed(
            str(number),
            action.type,
            action.input_parameters,
            state,
            "No valid host was found." if state == "FAILED" else None,
            tuple(map(str, parents)),
        )
        for number, (action, parents, state) in enumerate(
            zip(plan.actions, plan.parents, states, strict=False)
        )
    ]
    head = Head(
        "3f9c4d0e-6d0c-4a4e-8b69-7d1a2f2a5b11",
        "ONGOING",
        goal="Server Consolidation",
        strategy=strategy.display_name,
        audit="nightly",
        created_at="2025-11-28T08:00:02+00:00",
        indicators=indicators,
        global_efficacy=overall,
    )
    kept = evidence.gather(cluster, plan, solution, metrics, {})
    kept = replace(kept, limits=LIMITS, notes=solution.notes, parameters={"period": 3600})
    return Account(head, deeds, kept)


def picture() -> str:
    """It as an SVG."""
    return poster.draw(account())


def whole() -> str:
    """It as an HTML page."""
    return page.render(account())
