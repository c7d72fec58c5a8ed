# SPDX-License-Identifier: Apache-2.0
"""The DevStack plugin through its phases, without a DevStack."""
