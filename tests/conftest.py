# SPDX-License-Identifier: Apache-2.0
"""Before any test imports oslo.messaging: native threads, not eventlet."""

import watcher.messaging.transport  # noqa: F401
