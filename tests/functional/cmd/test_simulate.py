# SPDX-License-Identifier: Apache-2.0
"""watcher-simulate, from a simulated cloud over HTTP to two plans side by side."""

import gzip
import importlib.metadata
import json
import pathlib
import re
import shlex
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from oslo_config import cfg

from tests.functional.cmd.conftest import BIN
from tests.functional.standalone import standalone
from tests.worlds import random_metrics, random_world
from watcher import config
from watcher.cmd import simulate
from watcher.core.snapshot import Answer, Snapshot
from watcher.decision_engine import recorded, simulation, snapshot_file
from watcher.version import VERSION

NO_NETWORK = """
import sys
def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise PermissionError(f"{event} {arguments}")
sys.addaudithook(refuse)
from watcher.cmd.simulate import main
sys.exit(main())
"""
CONSOLIDATION = "vm_workload_consolidation"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("simulate")


@pytest.fixture(scope="module")
def cloud(folder):
    with standalone(folder) as running:
        yield running


@pytest.fixture(scope="module")
def exported(cloud, folder):
    """The file, and what Watcher itself recorded for the same cloud; then the cloud is not asked."""
    file = folder / "cloud.snapshot"
    options = ["--config-file", str(folder / "watcher.conf")]
    assert simulate.main(["export", str(file), *options]) == 0
    changed = [path for _, method, path in cloud.simulator.requests if method != "GET"]
    assert [path for path in changed if "/auth/tokens" not in path and "query" not in path] == []
    audit = cloud.audit("server_consolidation", CONSOLIDATION)
    return file, cloud.actions_of(cloud.plan_of(audit))


@pytest.fixture
def call(capsys):
    """Runs the command here: its status, and what it printed."""

    def run(*words):
        status = simulate.main([str(word) for word in words])
        return status, *capsys.readouterr()

    return run


def test_it_runs_in_a_process_that_may_not_connect(exported):
    command = [sys.executable, "-c", NO_NETWORK, "run", exported[0], "--strategy", CONSOLIDATION]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "hosts in use after" in done.stdout
    assert "Why not more: hosts refused" in done.stdout


def test_the_plan_is_the_one_that_the_cloud_s_own_watcher_recorded(exported, call):
    file, recorded = exported
    status, out, err = call("run", file, "--strategy", CONSOLIDATION, "--json")
    assert (status, err) == (0, "")
    told = json.loads(out)
    mine = [(one["action_type"], one["input_parameters"]) for one in told["actions"]]
    assert sorted(mine, key=str) == sorted(
        ((one["action_type"], one["input_parameters"]) for one in recorded), key=str
    )
    assert told["figures"]["hosts_in_use_after"] < told["figures"]["hosts_in_use_before"]
    assert told["figures"]["moved_gib"] > told["figures"]["makespan_gib"] > 0


def test_two_strategies_or_two_kept_results_stand_side_by_side(exported, call, tmp_path):
    file, _ = exported
    sides = CONSOLIDATION, 'workload_balance:threshold=5.0,metrics="instance_cpu_usage"'
    status, out, _ = call("compare", file, *sides)
    assert status == 0
    kept = [tmp_path / "a.json", tmp_path / "b.json"]
    assert call("run", file, "--strategy", sides[0], "--output", kept[0])[0] == 0
    more = ("-p", "threshold=5.0", "-p", "metrics=instance_cpu_usage")
    assert call("run", file, "--strategy", "workload_balance", *more, "--output", kept[1])[0] == 0
    status, again, _ = call("compare", *kept)
    assert status == 0
    cells = [[cell.strip() for cell in line.split("|")] for line in out.splitlines()[3:]]
    kept_cells = [[cell.strip() for cell in line.split("|")] for line in again.splitlines()[3:]]
    assert [row for row in cells if len(row) > 1] == [row for row in kept_cells if len(row) > 1]
    assert any("hosts in use after" in line for line in out.splitlines())
    status, both, _ = call("compare", file, sides[0], kept[1], "--json")
    assert [json.loads(both)[side]["strategy"] for side in "ab"] == [
        *(CONSOLIDATION, "workload_balance"),
    ]


def test_the_plan_is_drawn_as_an_action_plan_s_report(exported, call, tmp_path):
    page = tmp_path / "plan.html"
    status, _, err = call("run", exported[0], "--strategy", CONSOLIDATION, "--html", page)
    assert (status, err) == (0, "")
    text = page.read_text(encoding="utf-8")
    assert "<h1>Action plan of a simulation on cloud.snapshot</h1>" in text
    names = [one["input_parameters"].get("resource_name") for one in exported[1]]
    assert [name for name in names if name not in text] == []
    assert "http-equiv" not in text
    assert "<script" not in text


def test_what_is_in_a_file_is_shown(exported, call):
    status, out, _ = call("show", exported[0])
    assert status == 0
    for words in ("watcher-snapshot 1", "anonymised     no", "hosts          8", "influxdb"):
        assert words in out
    told = json.loads(call("show", exported[0], "--json")[1])
    assert (told["hosts"], told["instances"]) == (8, 40)
    cpu = next(one for one in told["metrics"] if one["metric"] == "host_cpu_usage:mean:3600:300")
    assert cpu["measured"] == cpu["rows"] == 8


def test_an_export_for_others_names_nothing_and_gives_as_good_a_plan(
    exported, cloud, folder, call, tmp_path
):
    file = tmp_path / "masked.snapshot"
    options = ["--config-file", folder / "watcher.conf", "--strategy", CONSOLIDATION]
    status, out, err = call("export", file, *options, "--anonymise")
    assert status == 0
    assert "anonymised     yes" in out
    salt = err.split()[1]
    text = gzip.decompress(file.read_bytes()).decode()
    world = cloud.simulator.world
    names = [*world.hosts, *world.servers, *(one.name for one in world.servers.values())]
    assert [name for name in names if name in text] == []
    assert call("export", tmp_path / "again", *options, "--salt", salt)[0] == 0
    first, second = (snapshot_file.read(one).cluster for one in (file, tmp_path / "again"))
    assert first.hosts.name.tolist() == second.hosts.name.tolist()
    figures = [
        json.loads(call("run", one, "--strategy", CONSOLIDATION, "--json")[1])["figures"]
        for one in (exported[0], file)
    ]
    assert figures[0] == figures[1]


def test_an_export_may_be_of_a_scope_and_of_some_metrics_only(cloud, folder, call, tmp_path):
    scope = tmp_path / "scope.yaml"
    zone = next(iter(cloud.simulator.world.hosts.values())).zone
    scope.write_text(f"- compute:\n  - availability_zones:\n    - name: {zone}\n")
    file = tmp_path / "part"
    options = ["--config-file", folder / "watcher.conf", "--metric", "host_cpu_usage:max:600"]
    assert call("export", file, *options, "--scope", scope)[0] == 0
    snapshot = snapshot_file.read(file)
    assert set(snapshot.cluster.hosts.zone) == {zone}
    (answer,) = snapshot.answers
    assert len(answer.column) == len(snapshot.cluster.hosts)
    assert answer.query.period_s == 600
    status, _, err = call("run", file, "--strategy", "workload_balance")
    assert status == 1
    assert "instance_cpu_usage" in err
    assert call("run", file, "--strategy", "dummy", "--scope", scope)[0] == 0


PAGE = pathlib.Path(__file__).parents[3] / "doc/source/user/what_if.rst"


def on_the_page():
    """Each command of the page about a snapshot that is there, and what the page says it prints."""
    for block in re.findall(r"code-block:: console\n\n((?:   .*\n|\n)+)", PAGE.read_text()):
        for part in textwrap.dedent(block).split("$ ")[1:]:
            command, _, output = part.replace("\\\n", "").partition("\n")
            words = shlex.split(command)
            if words[0] == "watcher-simulate" and words[1] != "export":
                yield pytest.param(words[1:], output.strip(), id=" ".join(words[1:]))


@pytest.mark.parametrize(("words", "output"), on_the_page())
def test_the_page_shows_what_is_printed(words, output, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    snapshot_file.write(pathlib.Path("cloud.snapshot"), an_example())
    status, out, err = call(*words)
    assert (status, err) == (0, "")
    printed = [line.rstrip() for line in out.strip().splitlines() if not line.startswith("bytes")]
    assert printed == [line.rstrip() for line in output.splitlines() if line[:5] != "bytes"]


def an_example():
    """The snapshot of the page."""
    conf = cfg.ConfigOpts()
    config.register(conf)
    conf([], project="watcher", default_config_files=[], default_config_dirs=[])
    cluster = replace(random_world(2, 24, 260), taken_at=1.795e9)
    strategies = {CONSOLIDATION: {}, "workload_balance": {}}
    (queries,) = simulation.queries(strategies, conf).values()
    columns = random_metrics(cluster, queries)
    answers = [Answer(query, columns[query], "influxdb", 7.0) for query in queries]
    settings = recorded.settings(conf)
    why = ("storage: there is no Cinder", "baremetal: there is no Ironic")
    return Snapshot(cluster, answers, settings, 1.795e9 + 1, notes=why)


WRONG = [
    (("run", "FILE", "--strategy", "nope"), "there is no strategy nope; there are actuator"),
    (("run", "FILE", "--strategy", "dummy", "-p", "para1"), "is no parameter: write name=value"),
    (("run", "FILE", "--strategy", "dummy", "-p", "para1=x"), "para1"),
    (("run", "FILE", "--goal", "nope"), "there is no goal nope"),
    (("run", "FILE"), "name a strategy or a goal"),
    (("run", "nowhere", "--strategy", "dummy"), "there is no file nowhere"),
    (("run", "CUT", "--strategy", "dummy"), "is cut off"),
    (("run", "FILE", "--strategy", "dummy", "--output", "/nowhere/x"), "cannot be written"),
    (("run", "FILE", "--strategy", "dummy", "--scope", "nowhere"), "nowhere cannot be read"),
    (("run", "FILE", "--strategy", "dummy", "--scope", "FILE"), "cannot be read"),
    (("show", "TEXT"), "is no snapshot of watcher-simulate"),
    (("compare", "dummy", "basic"), "there is no file dummy; name a snapshot before"),
    (("compare", "FILE", "dummy", "TEXT"), "is no result of watcher-simulate run"),
    (("export", "OUT", "--metric", "colour"), "is no metric: write NAME:AGGREGATE"),
    (("export", "OUT", "--metric", "host_cpu_usage:mean:0"), "is no metric"),
    (("export", "OUT", "--strategy", "nope"), "there is no strategy nope"),
    (("export", "OUT", "--config-file", "nowhere"), "nowhere"),
]


@pytest.mark.parametrize(("words", "says"), WRONG)
def test_what_is_wrong_is_one_line_and_status_1(exported, call, tmp_path, words, says):
    files = {"FILE": exported[0], "CUT": tmp_path / "cut", "TEXT": tmp_path / "text"}
    files["CUT"].write_bytes(exported[0].read_bytes()[:1000])
    files["TEXT"].write_text("{}")
    files["OUT"] = tmp_path / "out"
    status, out, err = call(*(files.get(word, word) for word in words))
    assert (status, out) == (1, "")
    assert err.count("\n") == 1
    assert err.startswith("watcher-simulate: ")
    assert says in err
    assert not files["OUT"].exists()


def test_a_cloud_that_does_not_answer_is_one_line(tmp_path, place):
    # A process of its own: it logs, and here other tests have left their handlers.
    words = ("export", tmp_path / "out", "--config-file", place.file)
    done = subprocess.run(
        [BIN / "watcher-simulate", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("watcher-simulate: ")
    assert done.stderr.count("\n") == 1


def test_the_command_is_installed():
    assert (BIN / "watcher-simulate").exists()
    (found,) = importlib.metadata.entry_points(group="console_scripts", name="watcher-simulate")
    assert found.load() is simulate.main


@pytest.mark.parametrize(("word", "status"), [("--version", 0), ("--help", 0), ("fly", 2)])
def test_usage(capsys, word, status):
    with pytest.raises(SystemExit) as ended:
        simulate.main([word])
    assert ended.value.code == status
    told = capsys.readouterr()
    assert (told.out == f"{VERSION}\n") == (word == "--version")
    assert ("usage:" in told.out + told.err) == (word != "--version")
