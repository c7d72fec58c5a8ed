# SPDX-License-Identifier: Apache-2.0
"""What the lists of the API cost in a database of a million actions."""
