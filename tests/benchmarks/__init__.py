# SPDX-License-Identifier: Apache-2.0
"""Budgets: what may take how long, and what it took."""
