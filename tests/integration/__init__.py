# SPDX-License-Identifier: Apache-2.0
"""Watcher against real services: tools/services and tools/cloud run them."""
