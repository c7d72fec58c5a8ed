# SPDX-License-Identifier: Apache-2.0
"""The real services that the integration tests run against (see README.md)."""
