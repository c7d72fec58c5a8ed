# SPDX-License-Identifier: Apache-2.0
"""The hands: one file for each thing that can be done to the cloud."""
