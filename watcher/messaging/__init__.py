# SPDX-License-Identifier: Apache-2.0
"""Wires to the bus.

oslo.messaging imports oslo.service, which would choose eventlet unless told not to; so it is told
here, before any module of this room can import oslo.messaging.
"""

import warnings

from oslo_service import backend

backend.register_backend_default_hook(lambda: backend.BackendType.THREADING)
# futurist imports eventlet when it is there (oslo.service requires it), only to look at it
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
