# SPDX-License-Identifier: Apache-2.0
"""Work and faults at random, drawn from a seed, for some time; then what was lost.

tools/chaos --minutes 5 --seed 1
"""

from __future__ import annotations

import argparse
import json
import pathlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence

from tests.chaos import verdict
from tests.chaos.faults import FAULTS
from tests.chaos.site import DOWN_S, Site
from tests.chaos.work import Work
from tests.cloud import services
from tests.cloud.process import pause
from tests.integration import backends

SETTLE_S = 180
"""How long everything may take to come to rest when nothing is broken any more."""


def disturb(
    site: Site, chance: random.Random, seconds: float, names: Sequence[str], work: Work | None
) -> Counter[str]:
    """One fault after another, with some work asked for during each; how often each was."""
    done = Counter[str]()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        name = chance.choice(names)
        lasts_s = chance.uniform(1, 2 * DOWN_S)
        with FAULTS[name](site, chance):
            over = time.monotonic() + lasts_s
            while time.monotonic() < over:
                if work is not None:
                    chance.choice((work.once, work.moves, lambda: work.again(5, 2)))()
                pause(chance.uniform(0.5, 2))
        done[name] += 1
        pause(chance.uniform(0.5, 3))
    return done


def report(site: Site, work: Work, done: Counter[str], wrong: Sequence[str]) -> str:
    """What happened, in lines."""
    rows = verdict.Rows(site)
    plans, audits = (Counter(row.state for row in kind) for kind in (rows.plans, rows.audits))
    return "\n".join(
        (
            f"faults injected: {sum(done.values())}",
            *(f"  {many:4d} {name}" for name, many in done.most_common()),
            f"audits accepted: {len(work.promised)}; {dict(audits)}",
            f"plans: {len(rows.plans)}; {dict(plans)}",
            f"anything lost: {len(wrong)}",
            *(f"  {one}" for one in wrong),
        )
    )


def chaos(folder: pathlib.Path, database: str, transport: str, seed: int, minutes: float) -> int:
    """Run it and print the report; how many things were lost."""
    chance = random.Random(seed)
    site = Site(folder, database, transport, seed=seed)
    try:
        site.begin(apis=2, engines=3, appliers=3)
        work = Work(site, chance)
        done = disturb(site, chance, minutes * 60, list(FAULTS), work)
        site.until(lambda: verdict.at_rest(site), SETTLE_S)
        wrong = verdict.violations(site, work.promised, disturbed=True)
        print(report(site, work, done, wrong))
        return len(wrong)
    finally:
        site.close()


def main(arguments: Sequence[str]) -> int:
    """The command line of tools/chaos."""
    parser = argparse.ArgumentParser(prog="tools/chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=5, help="how long things go wrong")
    parser.add_argument("--seed", type=int, default=1, help="the same seed breaks the same things")
    given = parser.parse_args(arguments)
    addresses = json.loads(services.ADDRESSES.read_text(encoding="utf-8"))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="watcher-chaos-"))
    print(f"seed {given.seed}, {given.minutes:g} minutes; logs in {folder}", flush=True)
    with (
        backends.database(addresses["database_mysql"]) as database,
        backends.virtual_host(addresses["transport_url"]) as transport,
    ):
        return 1 if chaos(folder, database, transport, given.seed, given.minutes) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
