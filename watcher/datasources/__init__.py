# SPDX-License-Identifier: Apache-2.0
"""The eyes on history: metric stores -> columns."""
