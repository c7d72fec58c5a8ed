# SPDX-License-Identifier: Apache-2.0
"""The daemons as processes: how they start, read their files again, and stop."""

import json
import os
import signal
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.functional.cmd.conftest import Place
from tests.telemetry import Scrape, health
from watcher.version import VERSION

READY = {
    "watcher-decision-engine": "watcher-decision-engine is ready",
    "watcher-applier": "watcher-applier is ready",
    "watcher-standalone": "watcher-standalone serves on port",
}
PROGRAMS = (*READY, "watcher-api")
METRICS = {
    "watcher-decision-engine": "decision_engine_port",
    "watcher-applier": "applier_port",
    "watcher-standalone": "standalone_port",
    "watcher-api": "api_port",
}
AGAIN = "the configuration was read again"


@pytest.fixture(scope="module")
def daemons(tmp_path_factory):
    """All four of them, each in a place of its own: (place, running) by name."""
    started = {}
    try:
        for name in PROGRAMS:
            place = Place(tmp_path_factory.mktemp(name))
            place.upgrade()
            place.add(f"[metrics]\nenabled = true\n{METRICS[name]} = {place.metrics_port}\n")
            started[name] = place, place.start(name)
        for name, (place, running) in started.items():
            if name in READY:
                running.wait_for_log(READY[name])
            if name in ("watcher-api", "watcher-standalone"):
                running.wait_for_port(place.port)
        yield started
    finally:
        for place, _ in started.values():
            place.runner.close()


def said_again(running, text, before):
    running.wait_for(lambda: running.said().count(text) > before, text)


@pytest.mark.parametrize("name", ["watcher-api", "watcher-standalone"])
def test_the_api_answers(daemons, name):
    place, _ = daemons[name]
    with urllib.request.urlopen(f"http://127.0.0.1:{place.port}/", timeout=30) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("name", PROGRAMS)
def test_metrics_and_health_are_served_beside_a_daemon(daemons, name):
    place, running = daemons[name]
    running.wait_for_log(f"metrics and health are served on port {place.metrics_port}")
    status, told = health(place.metrics_port)
    assert (status, told["program"]) == (200, name), told
    scrape = Scrape(place.metrics_port)
    assert scrape("build_info", program=name, version=VERSION) == 1
    assert scrape("database_up") == 1


def test_the_log_lines_of_an_audit_carry_its_uuid_and_the_id_of_its_request(daemons):
    place, running = daemons["watcher-standalone"]
    body = json.dumps({"audit_type": "ONESHOT", "goal": "dummy"}).encode()
    asked = urllib.request.Request(
        f"http://127.0.0.1:{place.port}/v1/audits",
        body,
        {"Content-Type": "application/json", "X-Roles": "admin"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        uuid, request = json.load(answer)["uuid"], answer.headers["X-Openstack-Request-Id"]
    running.wait_for_log(f"audit {uuid} failed")  # there is no Nova
    (line,) = [one for one in running.said().splitlines() if f"audit {uuid} failed" in one]
    assert f"[{uuid}] audit {uuid} failed" in line
    assert request in line


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_daemon_starts_without_warnings_of_libraries_and_without_secrets(daemons, name):
    _, running = daemons[name]
    for word in ("eventlet", "DeprecationWarning", "Traceback", "hidden"):
        assert word.lower() not in running.said().lower()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_sighup_reads_mutable_options_again(daemons, name):
    place, running = daemons[name]
    before = running.said().count(AGAIN)
    place.add("[DEFAULT]\nperiodic_interval = 61\n")
    os.kill(running.pid, signal.SIGHUP)
    said_again(running, AGAIN, before)
    assert "periodic_interval" in running.said()
    assert running.process.poll() is None


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("wrong", ["[DEFAULT]\nperiodic_interval = often\n", "[api\n"])
def test_a_sighup_with_a_wrong_file_changes_nothing(daemons, name, wrong):
    place, running = daemons[name]
    kept = place.file.read_text()
    before = running.said().count("the configuration stays as it was")
    place.add(wrong)
    os.kill(running.pid, signal.SIGHUP)
    said_again(running, "the configuration stays as it was", before)
    assert running.process.poll() is None
    assert "Traceback (most" not in running.said()
    place.file.write_text(kept)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_sigusr2_is_answered_with_a_report(daemons, name):
    """commands-1.3"""
    _, running = daemons[name]
    os.kill(running.pid, signal.SIGUSR2)
    said_again(running, "Configuration", 0)
    running.wait_for_log("continuous_audit_interval")
    said = running.said()
    assert "Guru Meditation" in said
    assert "hidden" not in said
    if name == "watcher-decision-engine":
        running.wait_for_log("Data models")
        running.wait_for_log("the cluster has not been read yet")  # there is no Nova
    assert running.process.poll() is None


def test_a_sigterm_stops_each_daemon_within_seconds(daemons):
    def stop(running):
        begun = time.monotonic()
        running.process.terminate()
        return running.wait(30), time.monotonic() - begun

    with ThreadPoolExecutor(len(daemons)) as pool:
        ends = list(pool.map(stop, [running for _, running in daemons.values()]))
    assert [status for status, _ in ends] == [0] * len(daemons)
    assert max(seconds for _, seconds in ends) < 15
    for _, running in daemons.values():
        assert "Traceback (most" not in running.said()


@pytest.mark.parametrize(
    ("name", "wrong", "told"),
    [
        ("watcher-applier", "[watcher_applier]\nworkflow_engine = clockwork\n", "clockwork"),
        ("watcher-decision-engine", "[DEFAULT]\ntransport_url = smoke://x\n", "smoke"),
        ("watcher-api", "[api]\nenable_ssl_api = true\n", "[ssl]"),
    ],
)
def test_what_is_wrong_for_good_ends_the_daemon_with_its_reason(place, name, wrong, told):
    place.add(wrong)
    running = place.start(name)
    assert running.wait(60) == 1
    (line,) = [one for one in running.said().splitlines() if "CRITICAL" in one]
    assert told in line
    assert "Traceback (most" not in running.said()


def test_a_port_for_metrics_that_is_taken_ends_a_daemon_with_one_line(place):
    names, port = ("watcher-applier", "watcher-standalone"), place.metrics_port
    options = "".join(f"{METRICS[name]} = {port}\n" for name in names)
    place.add(f"[metrics]\nenabled = true\n{options}")
    with urllib.request.socket.create_server(("127.0.0.1", port)):
        for name, running in [(name, place.start(name)) for name in names]:
            assert running.wait(60) == 1
            said = running.said()
            (line,) = [one for one in said.splitlines() if one.startswith(f"{name}: ")]
            assert line.startswith(f"{name}: [metrics] host and port: 127.0.0.1:{port}")
            assert "Traceback (most" not in said


def test_standalone_tells_a_port_that_is_taken_in_one_line(place):
    with urllib.request.socket.create_server(("127.0.0.1", place.port)):
        running = place.start("watcher-standalone")
        assert running.wait(60) == 1
    (line,) = [one for one in running.said().splitlines() if one.startswith("watcher-standalone:")]
    assert str(place.port) in line
    assert "Traceback (most" not in running.said()
