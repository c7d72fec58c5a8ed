# SPDX-License-Identifier: Apache-2.0
"""watcher-db-manage: make, upgrade and clean the database (contract: commands §5).

It needs the database only: none of the other services, and none of their options.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

from oslo_config import cfg
from oslo_log import log
from oslo_utils import strutils
from prettytable import PrettyTable

from watcher import config
from watcher.cmd.daemon import one_line
from watcher.core.errors import Conflict, Invalid
from watcher.db import engine, migrations, purge
from watcher.db.engine import Database
from watcher.version import VERSION

PROGRAM = "watcher-db-manage"


def upgrade(database: Database, chosen: Any) -> None:
    """Migrate to a revision, or to the newest."""
    database.upgrade(chosen.revision or "head")


def downgrade(_database: Database, _chosen: Any) -> None:
    """Refuse: data that a step forward has dropped cannot be made up on the way back."""
    raise Conflict("downgrading is not possible: restore the backup from before the upgrade")


def stamp(database: Database, chosen: Any) -> None:
    """Write a revision into the database without migrating."""
    if not chosen.revision:
        raise Invalid("name the revision to record: head, base (none), or an id")
    migrations.stamp(database.engine, chosen.revision)


def revision(database: Database, chosen: Any) -> None:
    """Make a new migration file (for developers)."""
    migrations.create_revision(database.engine, chosen.message, chosen.autogenerate)


def version(database: Database, _chosen: Any) -> None:
    """Print the revision of the database, or None."""
    print(database.version())


def create_schema(database: Database, _chosen: Any) -> None:
    """Make all tables in an empty database."""
    if found := database.version():
        raise Conflict(f"the database has tables already (revision {found}): upgrade it instead")
    database.upgrade()


def purge_rows(database: Database, chosen: Any) -> None:
    """Delete for good what was soft-deleted before, after a question."""
    if chosen.max_number is not None and chosen.max_number < 0:
        raise Invalid("the maximum number must be a positive number")
    with database.reading() as session:
        selection = purge.select_rows(
            session,
            age_in_days=chosen.age_in_days,
            goal=chosen.goal,
            orphans=not chosen.exclude_orphans,
        )
    agreed: purge.Selection | None = None
    if not chosen.dry_run:
        agreed = _agreed_selection(selection, chosen)
    if agreed is None:
        _show("These would be deleted", selection, chosen)
        return
    with database.writing() as session:
        purge.erase(session, agreed)
    _show("Deleted", agreed, chosen)


def _agreed_selection(selection: purge.Selection, chosen: Any) -> purge.Selection | None:
    """What the operator agrees to delete, or None. No transaction is open while we wait."""
    total = selection.counts()["Total"]
    limit = chosen.max_number
    if limit is not None and total > limit:
        what = f"{total} objects could be deleted, at most {limit} may: as many as fit?"
        if not _agreed(what, chosen):
            return None
        selection = selection.at_most(limit)
        total = selection.counts()["Total"]
    _show("These will be deleted", selection, chosen)
    if total and not _agreed(f"{total} objects will be deleted for good.", chosen):
        return None
    return selection


def _show(heading: str, selection: purge.Selection, chosen: Any) -> None:
    orphans = "without orphans" if chosen.exclude_orphans else "with orphans"
    counts = selection.counts()
    table = PrettyTable(list(counts))
    table.add_row(list(counts.values()))
    print(f"{heading} ({orphans}):")
    print(table)


def _agreed(question: str, chosen: Any) -> bool:
    """Ask; ``--yes`` answers. Raises Invalid where nobody can answer."""
    if chosen.yes:
        return True
    try:
        return bool(strutils.bool_from_string(input(f"{question} Continue? [y/N] ")))
    except EOFError:
        raise Invalid("nobody is there to answer: use --yes to delete without asking") from None


Verb = Callable[[Database, Any], None]

VERBS: dict[str, Verb] = {
    "upgrade": upgrade,
    "downgrade": downgrade,
    "stamp": stamp,
    "revision": revision,
    "version": version,
    "create_schema": create_schema,
    "purge": purge_rows,
}


def _add_verbs(parsers: Any) -> None:
    """Each verb's own options; its help is the first line of its function."""
    made: dict[str, argparse.ArgumentParser] = {}
    for name, verb in VERBS.items():
        text = (verb.__doc__ or "").splitlines()[0]
        made[name] = parsers.add_parser(name, help=text, description=text)
        made[name].set_defaults(verb=verb)
    for name in ("upgrade", "downgrade"):
        made[name].add_argument("--revision", nargs="?", help="Revision; default: the newest.")
    made["stamp"].add_argument("revision", nargs="?", help="Revision, head, or base for none.")
    made["revision"].add_argument("-m", "--message", help="What the step does.")
    made["revision"].add_argument("--autogenerate", action="store_true")
    options = made["purge"]
    options.add_argument("-d", "--age-in-days", nargs="?", type=int, metavar="DAYS",
                         help="Only rows deleted more than this many days ago.")  # fmt: skip
    options.add_argument("-n", "--max-number", nargs="?", type=int, metavar="NUMBER",
                         help="Delete no more rows than this, by whole goals.")  # fmt: skip
    options.add_argument("-t", "--goal", nargs="?", metavar="UUID|NAME",
                         help="Only rows of this goal, which must be deleted.")  # fmt: skip
    options.add_argument("-e", "--exclude-orphans", action="store_true",
                         help="Leave live rows whose parent is gone.")  # fmt: skip
    options.add_argument("--dry-run", action="store_true", help="Only show what would go.")
    options.add_argument("--yes", action="store_true", help="Do not ask.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the verb says; without one, upgrade (as old deployment tools expect)."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not {*VERBS, "-h", "--help", "--version", "--shell_completion"} & set(given):
        given.append("upgrade")
    conf = cfg.ConfigOpts()
    for group in (config.OPTIONS, engine.OPTIONS):
        group.register(conf)
    log.register_options(conf)
    conf.set_default("use_stderr", True)  # stdout is for what was asked
    conf.register_cli_opt(cfg.SubCommandOpt("chosen", title="verbs", handler=_add_verbs))

    def work() -> None:
        conf(given, project="watcher", prog=PROGRAM, version=VERSION)
        log.setup(conf, "watcher")
        conf.chosen.verb(Database(conf), conf.chosen)

    return one_line(PROGRAM, work)


if __name__ == "__main__":
    sys.exit(main())
