# SPDX-License-Identifier: Apache-2.0
"""Options of single strategies: what an audit does not say, the operator's configuration does.

An option has the name of the parameter it stands in for; a parameter that is null is not said.
"""

from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from watcher.config import Group
from watcher.strategies.storage_capacity_balance import EX_POOLS

OPTIONS = (
    Group(
        "watcher_strategies.basic",
        "Strategy basic",
        [
            cfg.BoolOpt(
                "check_optimize_metadata",
                default=False,
                help="Leave instances alone whose metadata ``optimize`` says no (such as false,"
                " no, off or 0), where the audit does not say whether to.",
            )
        ],
    ),
    Group(
        "watcher_strategies.storage_capacity_balance",
        "Strategy storage_capacity_balance",
        [
            cfg.ListOpt(
                "ex_pools",
                default=list(EX_POOLS),
                help="Pools that are left alone, by full name or by what stands behind the #,"
                " where the audit names none.",
            )
        ],
    ),
)


def configured(conf: cfg.ConfigOpts, strategy: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a strategy with the operator's word for those that are not said."""
    found = dict(given)
    for group in OPTIONS:
        if group.name == f"watcher_strategies.{strategy}":
            for option in group.options:
                if found.get(option.dest) is None:
                    found[option.dest] = group.of(conf)[option.dest]
    return found
