# SPDX-License-Identifier: Apache-2.0
"""Wires to the database."""
