# SPDX-License-Identifier: Apache-2.0
"""Which strategy serves a goal when the audit names none: as configured, else the first that can.

The order is fixed: alphabetical by plugin name (contract rest-api 15.3). A strategy can when it
needs no parameter that the audit cannot have given and each required metric is mapped by a data
source. Strategies that read more than compute (storage, bare metal) are chosen only for goals that
no other serves: to ask for balanced load is not to ask for other volume types.
"""

from oslo_config import cfg

from watcher import plugins
from watcher.core import parameters
from watcher.core.errors import Invalid
from watcher.datasources.choice import DataSources


def candidates(goal: str) -> list[str]:
    """Names of the installed strategies of a goal, in the order they are tried."""
    return [name for name, one in plugins.strategies().items() if one.goal == goal]


def _automatic(goal: str) -> list[str]:
    names = candidates(goal)
    plain = [name for name in names if not hasattr(plugins.strategies()[name], "models")]
    return plain or names


def choose(goal: str, sources: DataSources, conf: cfg.ConfigOpts) -> str:
    """The name of the strategy; Invalid, with what each one lacks, when none can."""
    configured = conf.watcher_strategies.defaults.get(goal)
    if configured is not None:
        if configured not in candidates(goal):
            raise Invalid(
                f"[watcher_strategies] defaults names {configured} for goal {goal}, but the"
                f" strategies of this goal are {', '.join(candidates(goal)) or 'none'}"
            )
        return str(configured)
    lacking = []
    for name in _automatic(goal):
        reason = _lacks(name, sources)
        if not reason:
            return name
        lacking.append(f"{name} {reason}")
    raise Invalid(f"no strategy for goal {goal} can run: {'; '.join(lacking) or 'none installed'}")


def _lacks(name: str, sources: DataSources) -> str:
    strategy = plugins.strategy(name)
    spec = parameters.schema(strategy.parameters)
    if spec.get("required"):
        return f"needs parameter {', '.join(spec['required'])}"
    queries = strategy.queries(strategy.parameters())
    missing = sorted(
        query.metric.public_name
        for query in queries
        if query.required and not sources.maps(query.metric, strategy=name)
    )
    return f"needs metric {', '.join(missing)}" if missing else ""
