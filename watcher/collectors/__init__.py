# SPDX-License-Identifier: Apache-2.0
"""The eyes on the cloud: services' APIs -> columns."""
