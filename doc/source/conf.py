# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration; warnings are errors (tools/build_docs)."""

from watcher.version import VERSION

project = "Watcher"
copyright = "the Watcher developers"
release = version = VERSION
html_theme = "alabaster"
