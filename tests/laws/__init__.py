# SPDX-License-Identifier: Apache-2.0
"""Properties that hold for everything of a kind, and the rules of the house."""
