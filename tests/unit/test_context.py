# SPDX-License-Identifier: Apache-2.0
import io
import json
import logging
import threading

import pytest
from oslo_config import cfg
from oslo_context.context import get_current
from oslo_log import formatters, log

from watcher import context
from watcher.cmd import daemon

AUDIT, PLAN, ACTION = "11111111-aaaa", "22222222-bbbb", "33333333-cccc"
ASKED = {"request_id": "req-1"}


@pytest.fixture(autouse=True)
def _nothing_before():
    context.forget()
    yield
    context.forget()


def test_a_job_keeps_the_request_id_of_who_asked_and_names_its_resource():
    asked = context.RequestContext(user_id="u", roles=["admin"], overwrite=False)
    with context.about(AUDIT, asked.to_dict()) as job:
        assert job.request_id == asked.request_id
        assert job.resource_uuid == AUDIT
        assert get_current() is job


def test_a_job_that_nobody_asked_for_has_a_request_id_of_its_own():
    with context.about(AUDIT) as one, context.about(AUDIT) as other:
        assert one.request_id != other.request_id


def test_what_an_unknown_sender_adds_to_a_context_does_not_matter():
    with context.about(AUDIT, {"colour": "red", **ASKED}) as job:
        assert job.request_id == "req-1"


def test_at_the_end_of_a_job_its_thread_is_about_what_it_was_about_before():
    with context.about(PLAN, ASKED) as plan:
        with context.about(PLAN, ASKED, ACTION):
            assert get_current().action_uuid == ACTION
        assert get_current() is plan
    assert get_current() is None


def test_an_error_ends_a_job_as_well():
    with pytest.raises(KeyError), context.about(PLAN):
        raise KeyError
    assert get_current() is None


@pytest.fixture
def said():
    """What a log file of a daemon shows, as text and as JSON, of what is logged."""
    daemon.set_log_defaults()
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([])
    streams = io.StringIO(), io.StringIO()
    made = (formatters.ContextFormatter(config=conf), formatters.JSONFormatter())
    logger = logging.getLogger("watcher.test")
    handlers = [logging.StreamHandler(stream) for stream in streams]
    for handler, formatter in zip(handlers, made, strict=True):
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    yield lambda: (streams[0].getvalue(), json.loads(streams[1].getvalue())["context"])
    for handler in handlers:
        logger.removeHandler(handler)


LOG = logging.getLogger("watcher.test")


def test_a_line_of_a_job_carries_its_request_and_its_resource(said):
    with context.about(AUDIT, ASKED):
        LOG.warning("thinking")
    line, told = said()
    assert f"req-1 - - - - - -] [{AUDIT}] thinking" in line
    assert (told["request_id"], told["resource_uuid"]) == ("req-1", AUDIT)


def test_a_line_of_an_action_carries_its_plan_as_well(said):
    with context.about(PLAN, ASKED, ACTION):
        LOG.warning("moving")
    line, told = said()
    assert f"[{PLAN} {ACTION}] moving" in line
    assert (told["resource_uuid"], told["action_uuid"]) == (PLAN, ACTION)


def test_a_line_of_a_request_about_nothing_has_a_dash(said):
    with context.about(None, ASKED):
        LOG.warning("listing")
    line, told = said()
    assert "] [-] listing" in line
    assert "req-1" in line
    assert (told["resource"], told["resource_uuid"]) == ("-", None)


def test_a_line_of_no_job_has_two_dashes(said):
    LOG.warning("starting")
    line, told = said()
    assert "watcher.test [-] [-] starting" in line
    assert told == {}


def test_another_thread_is_about_something_else(said):
    with context.about(AUDIT):
        thread = threading.Thread(target=LOG.warning, args=("idle",))
        thread.start()
        thread.join()
    assert "[-] [-] idle" in said()[0]


def test_threads_of_a_pool_are_about_what_their_caller_is_about(said):
    with context.Threads(1) as pool:
        with context.about(AUDIT, ASKED):
            pool.submit(LOG.warning, "reading").result()
        assert pool.submit(get_current).result() is None
    assert f"[{AUDIT}] reading" in said()[0]


@pytest.mark.parametrize(
    ("now", "row", "action", "shown"),
    [
        (None, PLAN, False, PLAN),
        (None, ACTION, True, ACTION),
        (AUDIT, PLAN, False, AUDIT),
        (PLAN, ACTION, True, f"{PLAN} {ACTION}"),
        (ACTION, ACTION, True, ACTION),
    ],
)
def test_a_row_is_named_where_nothing_else_is(now, row, action, shown):
    with context.about(now, ASKED), context.named(row, action=action):
        assert get_current().resource == shown
        assert get_current().request_id == "req-1"


def test_a_row_is_named_where_there_is_no_job_at_all():
    with context.named(PLAN):
        assert get_current().resource == PLAN
    assert get_current() is None
