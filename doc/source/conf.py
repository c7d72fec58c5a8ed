# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration; warnings are errors (tools/build_docs)."""

from watcher.version import VERSION

project = "Watcher"
copyright = "the Watcher developers"
release = version = VERSION
extensions = ["sphinx.ext.autodoc"]
html_theme = "alabaster"
exclude_patterns = ["contributor/plugins/example/**"]
autodoc_typehints = "none"
nitpicky = False
