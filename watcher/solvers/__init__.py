# SPDX-License-Identifier: Apache-2.0
"""Algorithms shared by strategies and planners; pure."""
