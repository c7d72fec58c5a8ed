# SPDX-License-Identifier: Apache-2.0
"""Mirrors watcher/ file by file: values in, values out."""
