# SPDX-License-Identifier: Apache-2.0
"""The rules of the house, checked on every file (doc/source/contributor/house.rst)."""

import ast
import configparser
import dataclasses
import importlib
import pathlib
import subprocess
import tomllib
from functools import cache

import jsonschema
import pytest

from watcher import config
from watcher.core.goals import GOALS, Goal
from watcher.core.parameters import schema
from watcher.core.protocols import ActionHandler, DataSource, Planner, Strategy

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINES_OF_A_FILE, LINES_OF_A_FUNCTION = 400, 50
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["individual_coverage"]


def python_files(*folders):
    """All Python files of the repository in these folders, as git knows or would know them."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    return sorted({name for name in listed if name.endswith(".py") and (ROOT / name).exists()})


FILES = python_files("watcher", "tests", "tools", "doc")
OURS = [name for name in FILES if name.startswith("watcher/")]
PURE = [
    name
    for name in OURS
    if name.split("/")[1] in SETTINGS["rooms"]
    and not name.endswith("__init__.py")
    and name.removeprefix("watcher/").removesuffix(".py") not in SETTINGS["exclude"]
]


@cache
def tree(name):
    return ast.parse((ROOT / name).read_text())


def functions(module):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return (node for node in ast.walk(module) if isinstance(node, kinds))


def dotted(node):
    """``a.b.c`` of a chain of attributes, or the part of it that is one."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_a_file_begins_with_its_licence():
    heads = {name: (ROOT / name).read_text().splitlines()[:2] for name in FILES}
    licence = "# SPDX-License-Identifier: Apache-2.0"
    assert [name for name, head in heads.items() if head and licence not in head] == []


def test_a_file_of_ours_says_what_it_is():
    assert [name for name in OURS if not ast.get_docstring(tree(name))] == []


def test_files_are_short():
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in FILES}
    assert {name: size for name, size in lengths.items() if size > LINES_OF_A_FILE} == {}


def test_functions_are_short():
    lengths = {
        f"{name}:{one.lineno} {one.name}": one.end_lineno - one.lineno + 1
        for name in FILES
        for one in functions(tree(name))
    }
    assert {name: size for name, size in lengths.items() if size > LINES_OF_A_FUNCTION} == {}


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_has_its_mirrored_test(name):
    _, room, module = name.split("/")
    assert (ROOT / "tests" / "unit" / room / f"test_{module}").exists()


def test_fault_all_the_model_is_serialised_for_a_debug_line_that_nobody_reads():
    """What a DEBUG line tells is at hand: nothing is made for it, such as a model as text."""
    made = [
        f"{name}:{call.lineno}"
        for name in OURS
        for call in ast.walk(tree(name))
        if isinstance(call, ast.Call) and dotted(call.func).endswith("LOG.debug")
        if any(
            isinstance(part, ast.Call | ast.JoinedStr)
            for one in call.args
            for part in ast.walk(one)
        )
    ]
    assert made == []


def assigned(module):
    for node in ast.walk(module):
        if isinstance(node, ast.Assign):
            yield from node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            yield node.target


def test_a_state_is_assigned_in_the_store_only():
    # The simulated cloud has instances with states of their own; they are no rows.
    elsewhere = ("watcher/simulator/", "watcher/db/store.py")
    found = [
        f"{name}:{target.lineno}"
        for name in OURS
        if not name.startswith(elsewhere)
        for target in assigned(tree(name))
        if isinstance(target, ast.Attribute) and target.attr == "state"
    ]
    assert found == []


def test_the_global_configuration_is_named_in_cmd_only():
    found = [
        f"{name}:{node.lineno}"
        for name in OURS
        if not name.startswith("watcher/cmd/")
        for node in ast.walk(tree(name))
        if dotted(node) == "cfg.CONF"
    ]
    assert found == []


def imports(module):
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_the_head_knows_no_clock_no_chance_and_no_outside():
    outside = {"time", "random", "secrets", "threading", "logging", "os", "io", "pathlib"}
    assert {name: found for name in PURE if (found := outside & set(imports(tree(name))))} == {}
    calls = {
        f"{name}:{node.lineno}": dotted(node.func)
        for name in PURE
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Call)
    }
    asked = ("datetime.now", "datetime.utcnow", "date.today", "np.random.")
    assert {place: call for place, call in calls.items() if call.startswith(asked)} == {}


def subclasses(kind):
    return {below for one in kind.__subclasses__() for below in {one, *subclasses(one)}}


def test_views_have_no_defaults_because_a_hidden_attribute_would_leak_its_default():
    views = pytest.importorskip("watcher.api.views")
    wsme = pytest.importorskip("wsme")
    importlib.import_module("watcher.api.app")
    found = subclasses(views.View)
    assert found
    for view in found:
        for attribute in views.attributes(view):
            assert attribute.default is wsme.Unset, f"{view.__name__}.{attribute.name}"


# --- entry points


def entry_points(group):
    parser = configparser.ConfigParser()
    parser.optionxform = str
    parser.read(ROOT / "setup.cfg")
    lines = parser["options.entry_points"][group].strip().splitlines()
    return dict(map(str.strip, line.split("=", 1)) for line in lines)


def load(group):
    """What the entry points of a group in setup.cfg point to, by name."""
    loaded = {}
    for name, place in entry_points(group).items():
        module, _, attribute = place.partition(":")
        loaded[name] = getattr(importlib.import_module(module), attribute)
    return loaded


def members(protocol):
    named = set(dir(protocol)) | set(getattr(protocol, "__annotations__", ()))
    return {member for member in named if not member.startswith("_")}


@pytest.mark.parametrize("group", ["console_scripts", "oslo.config.opts", "oslo.policy.policies"])
def test_commands_and_lists_can_be_called(group):
    assert all(callable(target) for target in load(group).values())


def test_every_goal_is_an_entry_point_under_its_name():
    goals = load("watcher_goals")
    assert all(isinstance(goal, Goal) for goal in goals.values())
    assert {goal.name: goal for goal in GOALS} == goals


def test_every_strategy_fits_its_protocol_and_names_what_exists():
    goals, planners = load("watcher_goals"), load("watcher_planners")
    for name, factory in load("watcher_strategies").items():
        strategy = factory()
        assert isinstance(strategy, Strategy), name
        assert strategy.name == name
        assert strategy.goal in goals
        assert strategy.planner in planners
        assert strategy.display_name
        assert type(strategy).__doc__


@pytest.mark.parametrize(
    ("group", "protocol", "key"),
    [
        ("watcher_planners", Planner, "name"),
        ("watcher_actions", ActionHandler, "type"),
        ("watcher_datasources", DataSource, "name"),
    ],
)
def test_every_plugin_fits_its_protocol_under_its_name(group, protocol, key):
    for name, plugin in load(group).items():
        assert {member for member in members(protocol) if not hasattr(plugin, member)} == set()
        assert getattr(plugin, key) == name
        assert plugin.__doc__


def test_every_collector_collects_under_its_name():
    for name, plugin in load("watcher_cluster_data_model_collectors").items():
        assert plugin.name == name
        assert callable(plugin.collect)


def test_the_workflow_engine_can_be_built():
    assert all(callable(engine) for engine in load("watcher_workflow_engines").values())


def test_every_action_says_what_it_takes_and_does():
    for name, handler in load("watcher_actions").items():
        jsonschema.Draft4Validator.check_schema(handler.schema)
        assert handler.schema["type"] == "object", name
        assert handler.description


# --- words for people


def is_sentence(text):
    return len(text.split()) >= 2 and text.rstrip().endswith((".", ")"))


def properties(spec, path=""):
    for name, rule in spec.get("properties", {}).items():
        yield f"{path}{name}", rule
        yield from properties(rule, f"{path}{name}.")


def test_every_parameter_has_a_meaning():
    for name, factory in load("watcher_strategies").items():
        for parameter, rule in properties(schema(factory().parameters)):
            assert is_sentence(rule["description"]), f"{name}: {parameter}"


def test_every_option_of_a_planner_has_a_meaning():
    for name, factory in load("watcher_planners").items():
        for option in dataclasses.fields(getattr(factory, "Options", None) or Nothing):
            assert is_sentence(option.metadata["description"]), f"{name}: {option.name}"


@dataclasses.dataclass
class Nothing:
    """The options of what has none."""


def test_every_option_has_a_meaning():
    # Two words: some options are made by oslo and keystoneauth, who leave the full stop out.
    for group in config.groups():
        assert group.title
        for option in group.options:
            assert len((option.help or "").split()) >= 2, f"[{group.name}] {option.name}"


def test_no_two_options_share_a_name():
    seen = [(group.name, option.dest) for group in config.groups() for option in group.options]
    assert sorted(set(seen)) == sorted(seen)
