# SPDX-License-Identifier: Apache-2.0
"""Every line that is logged about an audit, a plan or an action says which, and who asked."""

import json
import logging
import re
from dataclasses import dataclass, field

import pytest
from oslo_config import cfg
from oslo_log import formatters, log

from tests.functional.standalone import standalone
from watcher import context
from watcher.cmd import daemon

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
ABOUT = re.compile(
    rf"watcher\.\S+ \[(?P<who>.*?)\] \[(?P<what>-|{UUID}(?: {UUID})?)\] (?P<said>.*)"
)
THREADS = ("audit_", "action_", "plan_", "metrics_", "snapshots_")
"""The threads that work for audits and plans only."""


@dataclass
class Line:
    logger: str
    thread: str
    text: str
    told: dict


@dataclass
class Kept(logging.Handler):
    """Keeps what a daemon would write, in both forms, formatted in the thread that logs."""

    lines: list[Line] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(logging.DEBUG)
        daemon.set_log_defaults()
        conf = cfg.ConfigOpts()
        log.register_options(conf)
        conf([])
        self.text = formatters.ContextFormatter(config=conf)
        self.json = formatters.JSONFormatter()

    def emit(self, record):
        told = json.loads(self.json.format(record))["context"]
        line = self.text.format(record)
        self.lines.append(Line(record.name, record.threadName, line, told))

    __hash__ = object.__hash__


@dataclass
class Work:
    audit: dict
    plan: dict
    actions: list
    requests: list
    lines: list


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """The lines of an audit and its plan, logged at DEBUG."""
    kept, logger = Kept(), logging.getLogger("watcher")
    level = logger.level
    context.forget()
    with standalone(tmp_path_factory.mktemp("lines")) as watcher:
        watcher.engine.questions.snapshots.gather()
        logger.addHandler(kept)
        logger.setLevel(logging.DEBUG)
        try:
            asked = {
                "audit_type": "ONESHOT",
                "goal": "server_consolidation",
                "strategy": "vm_workload_consolidation",
            }
            made = watcher.answered("/v1/audits", asked)
            audit = watcher.ended("audits", made.json["uuid"])
            plan = watcher.plan_of(audit)
            begun = watcher.answered(f"/v1/action_plans/{plan['uuid']}/start", {})
            plan = watcher.ended("action_plans", plan["uuid"])
        finally:
            logger.setLevel(level)
            logger.removeHandler(kept)
        actions = watcher.actions_of(plan)
    requests = [one.headers["X-Openstack-Request-Id"] for one in (made, begun)]
    assert (audit["state"], plan["state"]) == ("SUCCEEDED", "SUCCEEDED")
    return Work(audit, plan, actions, requests, kept.lines)


def test_every_line_says_what_it_is_about_or_has_a_dash(work):
    assert len(work.lines) > 20
    assert [one.text for one in work.lines if not ABOUT.search(one.text)] == []


def test_lines_that_name_a_row_are_about_it(work):
    for one in work.lines:
        found = ABOUT.search(one.text)
        if re.search(UUID, found["said"]):
            assert found["what"] != "-", one.text


def test_threads_that_work_for_audits_and_plans_are_never_about_nothing(work):
    lines = [one for one in work.lines if one.thread.startswith(THREADS)]
    assert {one.thread.split("_")[0] + "_" for one in lines} >= {"audit_", "action_", "plan_"}
    known = {work.audit["uuid"], work.plan["uuid"]}
    for one in lines:
        assert ABOUT.search(one.text)["what"].split()[0] in known, one.text
        assert one.told["resource_uuid"] in known


def test_the_lines_of_a_job_carry_the_id_of_the_request_that_asked_for_it(work):
    for uuid, request in zip((work.audit["uuid"], work.plan["uuid"]), work.requests, strict=True):
        lines = [one for one in work.lines if one.told.get("resource_uuid") == uuid]
        assert len(lines) > 2
        for one in lines:
            assert one.told["request_id"] == request, one.text
            assert f" {request} " in one.text


def test_each_action_has_its_lines_with_its_plan(work):
    for action in work.actions:
        told = [one for one in work.lines if one.told.get("action_uuid") == action["uuid"]]
        said = "\n".join(one.text for one in told)
        assert "PENDING -> ONGOING" in said
        assert "ONGOING -> SUCCEEDED" in said
        for one in told:
            assert f"[{work.plan['uuid']} {action['uuid']}] " in one.text
            assert one.told["resource_uuid"] == work.plan["uuid"]


def test_the_line_of_a_start_is_about_the_plan(work):
    (line,) = [one for one in work.lines if "RECOMMENDED -> PENDING" in one.text]
    assert f"[{work.plan['uuid']}] " in line.text
    assert line.told["request_id"] == work.requests[1]
