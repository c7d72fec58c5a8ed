# SPDX-License-Identifier: Apache-2.0
"""The application under the dotted path of existing deployments (contract/commands.md §1)."""

from watcher.cmd.api import application

__all__ = ["application"]
