# SPDX-License-Identifier: Apache-2.0
"""watcher-report: the report of an action plan, out of the database, as a page, a picture or JSON.

It needs the database only, not the API: also for plans of a cloud that is down.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from oslo_config import cfg
from oslo_log import log

from watcher import config
from watcher.cmd.daemon import one_line
from watcher.core.errors import Invalid, Unavailable
from watcher.db import engine, reports
from watcher.db.engine import Database
from watcher.report import page, poster
from watcher.report.account import Account
from watcher.report.written import as_json
from watcher.version import VERSION

PROGRAM = "watcher-report"

FORMS: Mapping[str, Callable[[Account], str]] = {
    "html": page.render,
    "svg": poster.draw,
    "json": lambda account: json.dumps(as_json(account), indent=1) + "\n",
}

OPTIONS = (
    cfg.StrOpt(
        "action_plan",
        positional=True,
        required=True,
        metavar="ACTION_PLAN",
        help="The uuid of the action plan.",
    ),
    cfg.StrOpt("format", default="html", choices=list(FORMS), help="What to write."),
    cfg.StrOpt("output", metavar="FILE", help="Where to write it; the default is stdout."),
    cfg.BoolOpt("deleted", default=False, help="Find action plans that were deleted, too."),
)


def write(text: str, output: str | None) -> None:
    """To a file, or to stdout; in UTF-8 wherever it goes. Raises Unavailable when it cannot."""
    try:
        if output is None:
            sys.stdout.buffer.write(text.encode())
            sys.stdout.flush()
        else:
            Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"{output or 'stdout'} cannot be written: {error.strerror}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report; one line on stderr and exit status 1 for an error."""
    conf = cfg.ConfigOpts()
    for group in (config.OPTIONS, engine.OPTIONS):
        group.register(conf)
    log.register_options(conf)
    conf.set_default("use_stderr", True)  # stdout is for the report
    conf.register_cli_opts(OPTIONS)

    def work() -> None:
        given = sys.argv[1:] if arguments is None else arguments
        conf(given, project="watcher", prog=PROGRAM, version=VERSION)
        log.setup(conf, "watcher")
        logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of every look
        database = Database(conf)
        database.require_schema()
        with database.reading() as session:
            account = reports.account(session, conf.action_plan, deleted=conf.deleted)
        if conf.output == "":
            raise Invalid("--output needs the name of a file")
        write(FORMS[conf.format](account), conf.output)

    return one_line(PROGRAM, work)


if __name__ == "__main__":
    sys.exit(main())
