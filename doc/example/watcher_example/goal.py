# SPDX-License-Identifier: Apache-2.0
"""The goal ``watchfulness``: that somebody looks at busy hosts."""

from watcher.core.goals import Goal, Indicator, Ratio

WATCHFULNESS = Goal(
    "watchfulness",
    "Watchfulness",
    (
        Indicator("hosts", "Number of hosts whose load is known."),
        Indicator("busy_hosts", "Number of hosts whose load is above the threshold."),
    ),
    (Ratio("busy_ratio", "Share of the hosts that are busy.", "busy_hosts", "hosts"),),
)
