# SPDX-License-Identifier: Apache-2.0
"""What a daemon shows of itself over HTTP: metrics for Prometheus, and whether it is healthy."""
