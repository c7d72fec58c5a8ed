# SPDX-License-Identifier: Apache-2.0
"""Cluster optimisation for OpenStack. Importing this package costs nothing."""
