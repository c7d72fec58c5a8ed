# SPDX-License-Identifier: Apache-2.0
"""Daemon 3: act."""
