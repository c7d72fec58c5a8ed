# SPDX-License-Identifier: Apache-2.0
"""What we change of libraries' options, for oslo.config's generator (oslo.config.opts.defaults).

The daemons set the same defaults where they begin to use a library, by the same functions.
"""

from watcher.api import app
from watcher.cmd import daemon
from watcher.messaging import transport


def set_defaults() -> None:
    """Set them all, so that a sample shows the values that hold."""
    daemon.set_log_defaults()
    transport.set_defaults()
    app.set_defaults()
