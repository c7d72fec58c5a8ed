# SPDX-License-Identifier: Apache-2.0
"""Daemon 1: HTTP."""
