# SPDX-License-Identifier: Apache-2.0
"""watcher-simulate: what if? Strategies on a file, away from the cloud.

``export`` reads a cloud, as the daemons are configured to, and changes nothing there. The other
verbs read files only: no service, no database, no bus and no configuration of this machine.
"""

import argparse
import json
import logging
import os
import re
import secrets
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from oslo_config import cfg

from watcher import config, plugins
from watcher.clients.session import Clients
from watcher.cmd import simulated
from watcher.cmd.daemon import one_line
from watcher.core import scope
from watcher.core.errors import BadParameters, Invalid, WatcherError
from watcher.core.masking import masked
from watcher.core.metrics import Aggregate, Metric, Query
from watcher.core.snapshot import Snapshot, within
from watcher.datasources.choice import DataSources
from watcher.decision_engine import recorded, simulation, snapshot_file
from watcher.decision_engine.simulation import Wish
from watcher.decision_engine.snapshots import BAREMETAL, COMPUTE, STORAGE
from watcher.version import VERSION

PROGRAM = "watcher-simulate"


def export(chosen: argparse.Namespace) -> None:
    """Read a cloud and its metrics into a file."""
    rules = _scope(chosen.scope)
    conf = _configured(chosen, defaults=True)
    wanted = dict(map(_named, chosen.strategy)) or dict(_all_strategies())
    queries = simulation.queries(wanted, conf) if chosen.strategy or not chosen.metric else {}
    queries.setdefault(None, []).extend(map(_query, chosen.metric))
    snapshot = _read(conf, queries)
    if rules:
        snapshot = within(snapshot, rules)
    if chosen.anonymise or chosen.salt:
        salt = chosen.salt or secrets.token_hex(16)
        snapshot = masked(snapshot, salt)
        if not chosen.salt:
            print(f"salt: {salt} (keep it: --salt gives the same names again)", file=sys.stderr)
    part = chosen.file.with_name(f"{chosen.file.name}.part")
    snapshot_file.write(part, snapshot)
    part.replace(chosen.file)
    simulated.show(chosen.file, snapshot)


def _read(conf: cfg.ConfigOpts, queries: dict[str | None, list[Query]]) -> Snapshot:
    """What the collectors and the data sources say now; models that are not there are noted."""
    found, clients = DataSources(conf), Clients(conf)
    collectors = plugins.load(plugins.COLLECTORS)
    cluster, notes = collectors[COMPUTE](clients, conf).collect(), []
    for kind in (STORAGE, BAREMETAL):
        try:
            cluster = replace(cluster, **{kind: collectors[kind](clients, conf).collect()})
        except WatcherError as error:  # a cloud without it is a cloud all the same
            notes.append(f"{kind}: {error}")
    answers = recorded.answers(found, queries, cluster)
    settings = recorded.settings(conf)
    return Snapshot(cluster, answers, settings, time.time(), notes=tuple(notes))


def run(chosen: argparse.Namespace) -> None:
    """Run one strategy on a file."""
    parameters = dict(map(_pair, chosen.parameter))
    wish = Wish(chosen.strategy, chosen.goal, parameters, _scope(chosen.scope))
    done, told = _simulated(snapshot_file.read(chosen.file), wish, chosen)
    if chosen.output:
        simulated.written(chosen.output, json.dumps(told, indent=1) + "\n")
    if chosen.html:
        simulated.written(chosen.html, simulated.page(done, chosen.file.name))
    simulated.result(told, as_json=chosen.json)


def compare(chosen: argparse.Namespace) -> None:
    """Two runs side by side, of strategies or of results that were kept."""
    snapshot = chosen.file and snapshot_file.read(chosen.file)
    sides = []
    for text in (chosen.a, chosen.b):
        if Path(text).is_file():
            sides.append(simulated.kept(Path(text)))
            continue
        if snapshot is None:
            raise Invalid(f"there is no file {text}; name a snapshot before two strategies")
        name, parameters = _named(text)
        wish = Wish(name, None, parameters, _scope(chosen.scope))
        sides.append(_simulated(snapshot, wish, chosen)[1])
    simulated.compared(sides[0], sides[1], (chosen.a, chosen.b), as_json=chosen.json)


def show(chosen: argparse.Namespace) -> None:
    """What is in a file."""
    snapshot = snapshot_file.read(chosen.file)
    simulated.show(chosen.file, snapshot, as_json=chosen.json)


def _simulated(
    snapshot: Snapshot, wish: Wish, chosen: argparse.Namespace
) -> tuple[simulation.Run, dict[str, Any]]:
    conf = _configured(chosen, defaults=False)
    for unknown in recorded.use(snapshot.settings, conf):
        print(f"{PROGRAM}: no option {simulated.clean(unknown)} here: ignored", file=sys.stderr)
    done = simulation.run(snapshot, wish, conf)
    return done, simulation.report(done, chosen.file.name)


def _configured(chosen: argparse.Namespace, *, defaults: bool) -> cfg.ConfigOpts:
    """The options of the files named, or where asked for ``defaults`` of the usual files.

    Options of a snapshot are put under those of files: what is named counts.
    """
    words = [f"--config-file={file}" for file in chosen.config_file]
    words += [f"--config-dir={folder}" for folder in chosen.config_dir]
    conf = cfg.ConfigOpts()
    config.register(conf)
    usual: dict[str, Any] = (
        {} if defaults else {"default_config_files": [], "default_config_dirs": []}
    )
    conf(words, project="watcher", prog="watcher", version=VERSION, **usual)
    return conf


def _scope(path: Path | None) -> list[dict[str, Any]]:
    """The scope in a file of YAML or JSON, as audit templates have it."""
    if path is None:
        return []
    try:
        return scope.check_scope(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from error


def _all_strategies() -> Iterator[tuple[str, dict[str, Any]]]:
    """Those that need no parameter, as an audit without any would run them."""
    for name, strategy in plugins.strategies().items():
        try:
            strategy.parameters()
        except TypeError:
            continue
        yield name, {}


def _named(text: str) -> tuple[str, dict[str, Any]]:
    """``strategy:name=value,name=value``; a value may have commas but no ``,name=``."""
    name, _, given = text.partition(":")
    pairs = re.split(r",(?=\w+=)", given) if given else []
    return name, dict(map(_pair, pairs))


def _pair(text: str) -> tuple[str, Any]:
    """``name=value``, the value in JSON or else a text."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise BadParameters(f"{text!r} is no parameter: write name=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _query(text: str) -> Query:
    """``metric[:aggregate[:period[:granularity]]]``, seconds both."""
    words = text.split(":")
    name, how, period, granularity = (*words, *("mean", "300", "300")[len(words) - 1 :])[:4]
    with suppress(KeyError, ValueError):
        query = Query(Metric.named(name), int(period), Aggregate(how), int(granularity))
        if len(words) <= 4 and min(query.period_s, query.granularity_s) > 0:
            return query
    known = ", ".join(one.public_name for one in Metric)
    raise Invalid(
        f"{text!r} is no metric: write NAME:AGGREGATE:PERIOD:GRANULARITY, such as"
        f" host_cpu_usage:mean:300:300; the names are {known}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(PROGRAM, description="Strategies away from the cloud.")
    parser.add_argument("--version", action="version", version=VERSION)
    parser.add_argument("--debug", action="store_true", help="Log to stderr what is done.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    made = {}
    for verb in (export, run, compare, show):
        text = (verb.__doc__ or "").splitlines()[0]
        made[verb] = verbs.add_parser(verb.__name__, help=text, description=text)
        made[verb].set_defaults(verb=verb, config_file=[], config_dir=[])
    for verb in (export, run, compare):
        one = made[verb]
        one.add_argument("--config-file", action="append", metavar="FILE", help="Of Watcher.")
        one.add_argument("--config-dir", action="append", metavar="FOLDER", help="Of Watcher.")
        one.add_argument("--scope", type=Path, metavar="FILE", help="YAML, as in a template.")
    for verb in (run, compare, show):
        made[verb].add_argument("--json", action="store_true", help="Print JSON.")
    _add_export(made[export])
    _add_run(made[run])
    optional = made[compare].add_argument("file", type=Path, nargs="?", metavar="FILE")
    optional.help = "The snapshot; not needed for two results."
    for side in ("a", "b"):
        text = "STRATEGY[:NAME=VALUE,...], or a result of run --output."
        made[compare].add_argument(side, metavar=side.upper(), help=text)
    made[show].add_argument("file", type=Path, metavar="FILE")
    return parser


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="The snapshot to be written.")
    add("--strategy", action="append", default=[], metavar="STRATEGY[:NAME=VALUE,...]",
        help="Measure what this strategy asks for. Without: what all do by default.")  # fmt: skip
    add("--metric", action="append", default=[], metavar="NAME[:AGGREGATE[:PERIOD[:GRANULARITY]]]",
        help="Measure this, for all strategies.")  # fmt: skip
    add("--anonymise", action="store_true", help="Replace names and uuids; prints the salt.")
    add("--salt", help="Replace them as with this salt before.")


def _add_run(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="The snapshot.")
    add("--strategy", help="Which; see `openstack optimize strategy list`.")
    add("--goal", help="Without a strategy: let the goal choose one.")
    add("--parameter", "-p", action="append", default=[], metavar="NAME=VALUE", help="Of it.")
    add("--output", type=Path, metavar="FILE", help="Keep the result, JSON.")
    add("--html", type=Path, metavar="FILE", help="Draw it: a page that needs no server.")


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the verb says. Exit status: 0 done, 1 an error in one line, 2 a wrong command."""
    chosen = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.DEBUG if chosen.debug else logging.ERROR)
    return one_line(PROGRAM, lambda: _work(chosen))


def _work(chosen: argparse.Namespace) -> None:
    """Do it; whatever a file that somebody has made up leads to is one line too."""
    try:
        chosen.verb(chosen)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read it has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (WatcherError, cfg.Error):
        raise
    except Exception as error:
        if chosen.debug:
            raise
        what = simulated.clean(f"{type(error).__name__}: {error}")[:200]
        raise Invalid(f"internal error ({what}); --debug shows where") from error


if __name__ == "__main__":
    sys.exit(main())
