# SPDX-License-Identifier: Apache-2.0
"""The WSGI target that deployments name: ``watcher.wsgi.api:application``."""
