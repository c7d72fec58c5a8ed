# SPDX-License-Identifier: Apache-2.0
"""Microversion 1.9: what the constraints refused in an audit's last run."""

from dataclasses import asdict

from tests.functional.api.bench import Bench, replace
from tests.worlds import uuid
from watcher.core.refusals import Example, Refusal, WhyNot

REFUSED = WhyNot(
    stayed=2,
    judged=2,
    instances=(Refusal("it is locked", 1, (Example(uuid("a"), "c1"),)),),
    destinations=(Refusal("not enough vcpus left", 4, (Example(uuid("b"), "c2"),)),),
)
SHOWN = {
    "stayed": 2,
    "judged": 2,
    "instances": [
        {
            "reason": "it is locked",
            "count": 1,
            "examples": [{"instance": uuid("a"), "host": "c1"}],
        }
    ],
    "destinations": [
        {
            "reason": "not enough vcpus left",
            "count": 4,
            "examples": [{"instance": uuid("b"), "host": "c2"}],
        }
    ],
}


def test_an_audit_shows_what_was_refused(bench: Bench) -> None:
    made = bench.audit(state="SUCCEEDED", why_not=asdict(REFUSED))
    path = f"/v1/audits/{made.uuid}"
    assert bench.get(path, version="1.9")["why_not"] == SHOWN
    assert "why_not" not in bench.get(path, version="1.8")


def test_lists_show_it_in_detail_only(bench: Bench) -> None:
    bench.audit(state="SUCCEEDED", why_not=asdict(REFUSED))
    (full,) = bench.get("/v1/audits/detail", version="1.9")["audits"]
    assert full["why_not"] == SHOWN
    (brief,) = bench.get("/v1/audits", version="1.9")["audits"]
    assert "why_not" not in brief


def test_an_audit_that_has_not_run_has_none(bench: Bench) -> None:
    made = bench.audit()
    assert bench.get(f"/v1/audits/{made.uuid}", version="1.9")["why_not"] is None


def test_nobody_can_change_it(bench: Bench) -> None:
    made = bench.audit()
    patch = replace("/why_not", None)
    bench.patch(f"/v1/audits/{made.uuid}", patch, status=400, version="1.9")
