# SPDX-License-Identifier: Apache-2.0
"""watcher-status upgrade check: what an upgrade would trip over (contract/commands.md §6)."""

import json
import sys
from pathlib import Path

from oslo_config import cfg
from oslo_policy import opts as policy_opts
from oslo_upgradecheck import upgradecheck

from watcher import config
from watcher.cmd import daemon

PROGRAM = "watcher-status"
MINIMUM_NOVA = (2, 56)


class Checks(upgradecheck.UpgradeCommands):
    """The checks, in the order they are shown."""

    def _nova_version(self) -> upgradecheck.Result:
        text = cfg.CONF.nova.api_version
        found = tuple(int(part) if part.isdigit() else 0 for part in text.split("."))
        if found >= MINIMUM_NOVA:
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        details = f"[nova] api_version is {text}; 2.56 is the lowest that can be used."
        return upgradecheck.Result(upgradecheck.Code.FAILURE, details)

    def _policy_file(self) -> upgradecheck.Result:
        found = cfg.CONF.find_file(cfg.CONF.oslo_policy.policy_file)
        if found is None or not _is_json(Path(found)):
            return upgradecheck.Result(upgradecheck.Code.SUCCESS)
        details = (
            f"{found} is a JSON policy file; convert it with oslopolicy-convert-json-to-yaml"
            " --namespace watcher."
        )
        return upgradecheck.Result(upgradecheck.Code.FAILURE, details)

    _upgrade_checks = (
        ("Minimum Nova API Version", _nova_version),
        ("Policy File JSON to YAML Migration", _policy_file),
    )


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True


def main() -> int:
    """Exit status: 0 fine, 1 a warning, 2 a failure, 255 something unexpected."""
    policy_opts._register(cfg.CONF)  # noqa: SLF001 - oslo.policy offers no public way without rules
    config.register(cfg.CONF)
    status = 255

    def work() -> None:
        nonlocal status
        # Its own default for argv is what the command line was when it was imported.
        status = upgradecheck.main(
            cfg.CONF, project="watcher", upgrade_command=Checks(), argv=sys.argv[1:]
        )

    failed = daemon.one_line(PROGRAM, work)
    return 255 if failed else int(status)


if __name__ == "__main__":
    sys.exit(main())
