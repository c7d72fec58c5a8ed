# SPDX-License-Identifier: Apache-2.0
"""Planners: pure functions solution -> plan."""
