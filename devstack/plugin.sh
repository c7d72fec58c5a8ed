# The phases of DevStack in which Watcher's plugin does something.
#
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# DevStack sources this file with the mode in $1 and the phase in $2
# (https://docs.openstack.org/devstack/latest/plugins.html).

# shellcheck source=devstack/lib/watcher
source "$WATCHER_DIR/devstack/lib/watcher"

WATCHER_BIN_DIR=$(get_python_exec_prefix)

if is_watcher_enabled; then
    case "$1/${2:-}" in
        stack/install)
            echo_summary "Installing Watcher"
            install_watcher
            ;;
        stack/post-config)
            echo_summary "Configuring Watcher"
            create_watcher_accounts
            configure_watcher
            init_watcher
            ;;
        stack/extra)
            echo_summary "Starting Watcher"
            start_watcher
            ;;
        unstack/)
            stop_watcher
            ;;
        clean/)
            cleanup_watcher
            ;;
    esac
fi
