# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034,SC1091
#
# A DevStack in small: sources the plugin as stack.sh does, in the mode $1 and phase $2. Its
# functions have DevStack's names and arguments. What they would do to a machine they write to
# $STACK/calls; iniset and setup of the database are real.
set -euo pipefail

DEST=$STACK/dest DATA_DIR=$STACK/data STACK_USER=$(id -un)
SERVICE_HOST=127.0.0.1 SERVICE_LISTEN_ADDRESS=127.0.0.1 SERVICE_TIMEOUT=30 REGION_NAME=RegionOne
ENABLE_DEBUG_LOG_LEVEL=True
WATCHER_CONF_DIR=$STACK/etc
ENABLED=${ENABLED:-}

function called { echo "$*" >> "$STACK/calls"; }
function sudo { "$@"; }
function define_plugin { called define_plugin "$@"; }
function enable_service { ENABLED="$ENABLED $*"; }
function is_service_enabled { [[ " $ENABLED " == *" $1 "* && " ${DISABLED:-} " != *" $1 "* ]]; }
function echo_summary { echo "$@"; }
function die { echo "${@:2}" >&2; exit 1; }
function get_python_exec_prefix { echo "$BIN"; }
function setup_develop { called setup_develop "$@"; }
function pip_install { called pip_install "$@"; }
function create_service_user { called create_service_user "$@"; }
function get_or_create_service { called get_or_create_service "$@"; }
function get_or_create_endpoint { called get_or_create_endpoint "$@"; }
function ipv6_unquote { echo "$1" | tr -d '[]'; }
function recreate_database { rm -f "$STACK/$1.sqlite"; }
function database_connection_url { echo "sqlite:///$STACK/$1.sqlite"; }
function iniset_rpc_backend { iniset "$2" DEFAULT transport_url "rabbit://stackrabbit:secret@127.0.0.1:5672/"; }
function configure_keystone_authtoken_middleware {
    local section=${3:-keystone_authtoken}
    iniset "$1" "$section" auth_type password
    iniset "$1" "$section" auth_url "http://127.0.0.1/identity"
    iniset "$1" "$section" username "$2"
    iniset "$1" "$section" password secret
    iniset "$1" "$section" user_domain_name Default
    iniset "$1" "$section" project_name service
    iniset "$1" "$section" project_domain_name Default
}
function iniset {
    "$BIN/python" - "$@" <<'PYTHON'
import configparser, sys
path, section, option, value = sys.argv[1:]
file = configparser.RawConfigParser(default_section="")
file.read(path)
if not file.has_section(section):
    file.add_section(section)
file.set(section, option, value)
with open(path, "w") as output:
    file.write(output)
PYTHON
}
function run_process { if is_service_enabled "$1"; then called run_process "$@"; fi; }
function stop_process { called stop_process "$@"; }
function wait_for_service { called wait_for_service "$@"; }

source "$WATCHER_DIR/devstack/settings"
source "$WATCHER_DIR/devstack/plugin.sh" "$@"
