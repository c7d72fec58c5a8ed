# SPDX-License-Identifier: Apache-2.0
"""Tests of Watcher; worlds.py makes the clusters they use."""
