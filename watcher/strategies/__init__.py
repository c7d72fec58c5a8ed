# SPDX-License-Identifier: Apache-2.0
"""Strategies: pure functions (cluster, metrics, parameters) -> solution, one file each."""
