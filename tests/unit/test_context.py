# SPDX-License-Identifier: Apache-2.0
import io
import logging
import threading

from oslo_config import cfg
from oslo_context import context as current
from oslo_log import formatters, log

from watcher import context


def test_a_job_keeps_the_request_id_of_who_asked_and_names_its_resource():
    asked = context.RequestContext(user_id="u", roles=["admin"])
    job = context.for_job("the-audit", asked.to_dict())
    assert job.request_id == asked.request_id
    assert job.resource_uuid == "the-audit"
    assert current.get_current() is job


def test_a_job_that_nobody_asked_for_has_a_request_id_of_its_own():
    assert context.for_job("a").request_id != context.for_job("b").request_id


def test_what_an_unknown_sender_adds_to_a_context_does_not_matter():
    assert context.for_job("a", {"colour": "red", "request_id": "req-9"}).request_id == "req-9"


def logged(work):
    """What a log file of a daemon shows of what is logged in a thread of its own."""
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([])
    conf.set_default("instance_uuid_format", "[%(uuid)s] ")
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatters.ContextFormatter(config=conf))
    logger = logging.getLogger("watcher.test")
    logger.addHandler(handler)
    try:
        thread = threading.Thread(target=work, args=(logger,))
        thread.start()
        thread.join()
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def test_the_log_lines_of_a_job_carry_its_uuid_in_its_thread():
    def job(logger):
        context.for_job("11111111-aaaa", {"request_id": "req-1"})
        logger.warning("thinking")

    line = logged(job)
    assert "[11111111-aaaa] thinking" in line
    assert "req-1" in line


def test_another_thread_is_about_something_else():
    context.for_job("11111111-aaaa")
    assert "1111" not in logged(lambda logger: logger.warning("idle"))
