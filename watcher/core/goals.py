# SPDX-License-Identifier: Apache-2.0
"""Goals as data: what each measures of a plan (indicators) and how good the plan is (efficacy).

Names, units and required indicators are those of contract goals-and-strategies §1. A strategy may
give indicators that its goal does not declare (lower bounds, gaps); they are shown as well.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from watcher.core.errors import Invalid


@dataclass(frozen=True)
class Indicator:
    """One number that a plan's efficacy is judged by."""

    name: str
    description: str
    required: bool = True
    whole: bool = True
    """Whether it is a count; otherwise any number."""
    unit: str | None = None
    minimum: float = 0

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of the value."""
        return {"type": "integer" if self.whole else "number", "minimum": self.minimum}


@dataclass(frozen=True)
class Ratio:
    """A share in percent: ``part`` of ``of``; 0 when there is nothing to have a share of."""

    name: str
    description: str
    part: str
    of: str

    def value(self, values: Mapping[str, float]) -> float | None:
        """The share, or None when one of the two indicators was not given."""
        if self.part not in values or self.of not in values:
            return None
        return 100.0 * values[self.part] / values[self.of] if values[self.of] else 0.0


@dataclass(frozen=True)
class Decrease:
    """By how much ``after`` is below ``before``, in percent; negative when it grew."""

    name: str
    description: str
    before: str
    after: str

    def value(self, values: Mapping[str, float]) -> float | None:
        """The decrease, or None when one of the two indicators was not given."""
        if self.before not in values or self.after not in values:
            return None
        before = values[self.before]
        return 100.0 * (before - values[self.after]) / before if before else 0.0


@dataclass(frozen=True)
class Goal:
    """What an audit wants; strategies name the goal they serve."""

    name: str
    display_name: str
    indicators: tuple[Indicator, ...] = ()
    formulas: tuple[Ratio | Decrease, ...] = ()

    def specification(self) -> list[dict[str, Any]]:
        """``efficacy_specification`` as the API shows it: the schema is a JSON text (§12)."""
        return [
            {
                "name": indicator.name,
                "description": indicator.description,
                "unit": indicator.unit,
                "schema": json.dumps(indicator.schema),
            }
            for indicator in self.indicators
        ]

    def global_efficacy(self, values: Mapping[str, float]) -> list[dict[str, Any]]:
        """``global_efficacy`` as the API shows it, in percent, without those not computable."""
        computed = ((formula, formula.value(values)) for formula in self.formulas)
        return [
            {
                "name": formula.name,
                "description": formula.description,
                "unit": "%",
                "value": value,
            }
            for formula, value in computed
            if value is not None and math.isfinite(value)
        ]


def efficacy(
    goal: Goal, values: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Judge a solution by its indicators: the rows to store, and the global efficacy.

    Each row has name, description, unit and value; declared ones first, in the goal's order. A
    solution without any indicator has no efficacy and both lists are empty. Raises Invalid when a
    required indicator is missing or a value is not one its schema allows: then the strategy is
    wrong.
    """
    if not values:
        return [], []
    missing = [
        one.name for one in goal.indicators if one.required and values.get(one.name) is None
    ]
    if missing:
        raise Invalid(f"goal {goal.name} needs the efficacy indicator {', '.join(missing)}")
    names = {indicator.name for indicator in goal.indicators}
    extra = [_undeclared(name) for name in values if name not in names]
    given = [one for one in (*goal.indicators, *extra) if values.get(one.name) is not None]
    numbers = {one.name: _checked(goal, one, values[one.name]) for one in given}
    rows = [
        {
            "name": one.name,
            "description": one.description,
            "unit": one.unit,
            "value": numbers[one.name],
        }
        for one in given
    ]
    return rows, goal.global_efficacy(numbers)


def _undeclared(name: str) -> Indicator:
    meaning = name.replace("_", " ").capitalize() + ", given by the strategy."
    return Indicator(name, meaning, required=False, whole=False, minimum=-math.inf)


def _checked(goal: Goal, indicator: Indicator, value: Any) -> float:
    where = f"efficacy indicator {indicator.name} of goal {goal.name}"
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise Invalid(f"{where} must be a number, not {value!r}") from None
    if not math.isfinite(number):
        raise Invalid(f"{where} must be finite, not {number}")
    if number < indicator.minimum:
        raise Invalid(f"{where} must be {indicator.minimum} or more, not {number}")
    if not indicator.whole:
        return number
    if not number.is_integer():
        raise Invalid(f"{where} must be a whole number, not {number}")
    return int(number)


def _covered(
    what: str, ratio: str, candidates: str, planned: str
) -> tuple[Sequence[Indicator], Ratio]:
    return (
        Indicator(candidates, f"Number of {what} that could be made."),
        Indicator(planned, f"Number of {what} that the plan makes."),
    ), Ratio(ratio, f"Share of the possible {what} that the plan makes.", planned, candidates)


UNCLASSIFIED = Goal("unclassified", "Unclassified")
DUMMY = Goal("dummy", "Dummy goal")
SERVER_CONSOLIDATION = Goal(
    "server_consolidation",
    "Server Consolidation",
    (
        Indicator("compute_nodes_count", "Number of enabled compute hosts in the audit's scope."),
        Indicator("released_compute_nodes_count", "Number of compute hosts the plan empties."),
        Indicator("instance_migrations_count", "Number of migrations in the plan."),
        Indicator(
            "hosts_in_use_before",
            "Number of enabled compute hosts with an instance before the plan.",
            required=False,
        ),
        Indicator(
            "hosts_in_use_after",
            "Number of enabled compute hosts with an instance after the plan.",
            required=False,
        ),
        Indicator(
            "hosts_in_use_lower_bound",
            "Number of hosts that the present load provably needs; no plan can come below it.",
            required=False,
        ),
        Indicator(
            "gap_to_lower_bound_percent",
            "By how much the hosts in use after the plan exceed the lower bound.",
            required=False,
            whole=False,
            unit="%",
        ),
    ),
    (
        Ratio(
            "released_nodes_ratio",
            "Share of the enabled compute hosts that the plan empties.",
            part="released_compute_nodes_count",
            of="compute_nodes_count",
        ),
    ),
)
THERMAL_OPTIMIZATION = Goal("thermal_optimization", "Thermal Optimization")
WORKLOAD_BALANCING = Goal(
    "workload_balancing",
    "Workload Balancing",
    (
        Indicator("instance_migrations_count", "Number of migrations in the plan."),
        Indicator("instances_count", "Number of instances considered.", required=False),
        Indicator(
            "standard_deviation_after_audit",
            "Standard deviation of the load of the hosts expected after the plan.",
            required=False,
            whole=False,
        ),
        Indicator(
            "standard_deviation_before_audit",
            "Standard deviation of the load of the hosts before the plan.",
            required=False,
            whole=False,
        ),
        Indicator(
            "standard_deviation_lower_bound",
            "Standard deviation that is left provably, whatever is moved: what may not be moved"
            " keeps hosts from being level.",
            required=False,
            whole=False,
        ),
        Indicator(
            "gap_to_standard_deviation_lower_bound",
            "By how much the standard deviation after the plan exceeds the lower bound.",
            required=False,
            whole=False,
        ),
    ),
    (
        # A ratio in spite of its name, which is contract; it says what the plan costs. What the
        # plan is good for, upstream does not say.
        Ratio(
            "live_migrations_count",
            "Share of the instances that the plan moves: its effort.",
            part="instance_migrations_count",
            of="instances_count",
        ),
        Decrease(
            "standard_deviation_decrease",
            "By how much the plan lowers the standard deviation of the hosts' load: its benefit.",
            before="standard_deviation_before_audit",
            after="standard_deviation_after_audit",
        ),
    ),
)
AIRFLOW_OPTIMIZATION = Goal("airflow_optimization", "Airflow Optimization")
NOISY_NEIGHBOR = Goal("noisy_neighbor", "Noisy Neighbor")
SAVING_ENERGY = Goal("saving_energy", "Saving Energy")

_MAINTENANCE = [
    _covered(what, ratio, f"{stem}_count", f"planned_{stem}_count")
    for what, ratio, stem in (
        ("live migrations of instances", "live_instance_migrate_ratio", "live_migrate_instance"),
        ("cold migrations of instances", "cold_instance_migrate_ratio", "cold_migrate_instance"),
        ("migrations of detached volumes", "volume_migrate_ratio", "volume_migrate"),
        # Equal to volume_migrate since attached volumes are migrated too; kept for its readers.
        ("migrations of attached volumes", "volume_update_ratio", "volume_update"),
    )
]
HARDWARE_MAINTENANCE = Goal(
    "hardware_maintenance",
    "Hardware Maintenance",
    tuple(indicator for indicators, _ in _MAINTENANCE for indicator in indicators),
    tuple(ratio for _, ratio in _MAINTENANCE),
)
CLUSTER_MAINTAINING = Goal("cluster_maintaining", "Cluster Maintaining")

GOALS = (
    UNCLASSIFIED,
    DUMMY,
    SERVER_CONSOLIDATION,
    THERMAL_OPTIMIZATION,
    WORKLOAD_BALANCING,
    AIRFLOW_OPTIMIZATION,
    NOISY_NEIGHBOR,
    SAVING_ENERGY,
    HARDWARE_MAINTENANCE,
    CLUSTER_MAINTAINING,
)
