# SPDX-License-Identifier: Apache-2.0
"""The version, read once from the package's metadata."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("watcher")
except PackageNotFoundError:  # running from an unpacked tree
    VERSION = "0.0.0"
