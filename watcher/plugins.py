# SPDX-License-Identifier: Apache-2.0
"""Plugins by name: the only user of stevedore.

A plugin that cannot be imported or does not fit its protocol is left out, with one log line that
says what is wrong with it; the others load. Group names are those of contract/commands.md §8.
"""

import dataclasses
import importlib.metadata
import logging
from collections.abc import Mapping
from functools import cache
from typing import Any

from oslo_config import cfg
from stevedore import ExtensionManager

from watcher import config
from watcher.core import protocols
from watcher.core.errors import Invalid, NotFound
from watcher.core.goals import Goal

LOG = logging.getLogger(__name__)

GOALS = "watcher_goals"
STRATEGIES = "watcher_strategies"
PLANNERS = "watcher_planners"
ACTIONS = "watcher_actions"
WORKFLOW_ENGINES = "watcher_workflow_engines"
COLLECTORS = "watcher_cluster_data_model_collectors"
DATASOURCES = "watcher_datasources"
SCORERS = "watcher_scoring_engines"
SCORER_CONTAINERS = "watcher_scoring_engine_containers"

_OPTION_TYPES: Mapping[type, type[cfg.Opt]] = {
    bool: cfg.BoolOpt,
    int: cfg.IntOpt,
    float: cfg.FloatOpt,
    str: cfg.StrOpt,
    dict: cfg.DictOpt,
    list: cfg.ListOpt,
}


@cache
def load(group: str, *, built: bool = False) -> Mapping[str, Any]:
    """What the entry points of a group point to, by name, in alphabetical order.

    ``built`` calls each of them and gives what it returns.
    """

    def complain(_manager: Any, entry_point: Any, error: BaseException) -> None:
        what = f"{type(error).__name__}: {error}"
        LOG.error("plugin %s of %s cannot be loaded: %s", entry_point.name, group, what)

    manager = ExtensionManager(group, invoke_on_load=built, on_load_failure_callback=complain)
    found = sorted(manager, key=lambda one: one.name)
    return {one.name: one.obj if built else one.plugin for one in found}


@cache
def names(group: str) -> frozenset[str]:
    """The names registered in a group, without loading anything."""
    return frozenset(one.name for one in importlib.metadata.entry_points(group=group))


def _fitting(group: str, protocol: type, built: Mapping[str, Any]) -> dict[str, Any]:
    fit = {}
    for name, plugin in built.items():
        wanted = {member for member in dir(protocol) if not member.startswith("_")}
        wanted |= set(getattr(protocol, "__annotations__", {}))
        missing = sorted(member for member in wanted if not hasattr(plugin, member))
        if missing:
            LOG.error("plugin %s of %s is left out: it lacks %s", name, group, ", ".join(missing))
        else:
            fit[name] = plugin
    return fit


@cache
def strategies() -> Mapping[str, "protocols.Strategy[Any]"]:
    """Every strategy, built, by name."""
    return _fitting(STRATEGIES, protocols.Strategy, load(STRATEGIES, built=True))


def strategy(name: str) -> "protocols.Strategy[Any]":
    """One strategy; NotFound when it is not installed here."""
    try:
        return strategies()[name]
    except KeyError:
        raise NotFound("Strategy plugin", name) from None


@cache
def goals() -> Mapping[str, Goal]:
    """Every goal by name."""
    found = load(GOALS)
    for name in found:
        if not isinstance(found[name], Goal):
            LOG.error("plugin %s of %s is left out: it is no Goal", name, GOALS)
    return {name: goal for name, goal in found.items() if isinstance(goal, Goal)}


def broken(group: str) -> frozenset[str]:
    """The goals or strategies, or entry points of scorers, that are here but cannot be used."""
    if group == SCORERS:
        lost = names(SCORER_CONTAINERS) - set(load(SCORER_CONTAINERS, built=True))
        return lost | names(SCORERS) - set(scorers())
    usable: Mapping[str, Any] = goals() if group == GOALS else strategies()
    return names(group) - set(usable)


@cache
def planners() -> Mapping[str, Any]:
    """The factory of each planner by name."""
    return _fitting(PLANNERS, protocols.Planner, load(PLANNERS))


@cache
def actions() -> Mapping[str, type[protocols.ActionHandler]]:
    """The handler class of each action type."""
    return _fitting(ACTIONS, protocols.ActionHandler, load(ACTIONS))


@cache
def scorers() -> Mapping[str, protocols.Scorer]:
    """Every scoring engine by its name: those with an entry point, and those of containers.

    A container is called without arguments and gives several engines.
    """
    given = [*load(SCORERS, built=True).values()]
    for engines in load(SCORER_CONTAINERS, built=True).values():
        given += engines
    found = _fitting(SCORERS, protocols.Scorer, {one.name: one for one in given})
    return dict(sorted(found.items()))


def planner(name: str, conf: cfg.ConfigOpts) -> protocols.Planner:
    """A planner built with its options; NotFound when it is not installed here."""
    try:
        factory = planners()[name]
    except KeyError:
        raise NotFound("Planner plugin", name) from None
    # A group without options is not there.
    values = conf[f"{PLANNERS}.{name}"] if hasattr(factory, "Options") else {}
    return build(factory, values)


def build(factory: Any, values: Mapping[str, Any]) -> Any:
    """A plugin with its ``Options`` dataclass (of ``param()`` lines) filled from configuration."""
    declared = getattr(factory, "Options", None)
    if declared is None:
        return factory()
    arguments = {one.name: values[one.name] for one in dataclasses.fields(declared)}
    try:
        return factory(declared(**arguments))
    except (TypeError, ValueError) as error:
        raise Invalid(f"options of plugin {factory.__name__}: {error}") from error


def _group(group: str, name: str, factory: Any) -> config.Group:
    declared = getattr(factory, "Options", None)
    options = []
    for one in dataclasses.fields(declared) if declared is not None else ():
        default = (
            one.default if one.default_factory is dataclasses.MISSING else one.default_factory()
        )
        kind = _OPTION_TYPES[type(default)]
        options.append(kind(one.name, default=default, help=one.metadata["description"]))
    return config.Group(f"{group}.{name}", f"Options of {name} ({group})", options)


def OPTIONS() -> list[config.Group]:  # noqa: N802 - the name that watcher.config looks for
    """The options of the plugins that have some, and how a strategy is chosen."""
    chosen = config.Group(
        "watcher_strategies",
        "Which strategy serves a goal",
        [
            cfg.DictOpt(
                "defaults",
                default={},
                help="goal:strategy, ... used by audits that name no strategy. For a goal not"
                " named here it is the first strategy, by name, whose requirements are met.",
            )
        ],
    )
    return [chosen, *(_group(PLANNERS, name, one) for name, one in planners().items())]
