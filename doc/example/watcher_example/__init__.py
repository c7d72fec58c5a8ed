# SPDX-License-Identifier: Apache-2.0
"""A goal, a strategy, a planner, an action and a data source that Watcher finds when installed."""
