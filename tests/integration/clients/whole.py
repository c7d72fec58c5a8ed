# SPDX-License-Identifier: Apache-2.0
"""What the clients can be asked, read from their own definitions; and what was asked of it."""

import argparse
import importlib
import importlib.metadata
import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

GROUPS = {"openstack": "openstack.infra_optim.v1", "watcher": "watcherclient.v1"}
CREATED = {"audit", "audit_template"}
"""The managers whose ``create`` takes the keywords that its module lists."""


def parsers(program: str) -> Iterator[tuple[str, argparse.ArgumentParser, set[str]]]:
    """Each subcommand with its parser, and the options that cliff gives to every command."""
    for entry in importlib.metadata.entry_points(group=GROUPS[program]):
        command = entry.load()
        base = next(one for one in command.__mro__ if one.__module__.startswith("cliff."))
        plain = type("Plain", (base,), {"take_action": lambda *_: None})
        given = options(plain(None, None).get_parser("plain"))
        name = entry.name.split("_", program == "openstack")[-1].replace("_", " ")
        yield name, command(None, None).get_parser(name), {one for one, _ in given}


def options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """The options by their longest spelling, and the arguments that have a choice."""
    for action in parser._actions:
        if action.option_strings or action.choices:
            yield max(action.option_strings, key=len, default=action.dest), action


def missed(program: str, commands: Iterable[Sequence[str]]) -> set[str]:
    """The subcommands, options and choices of a program that none of the commands used."""
    ran: dict[str, list[Sequence[str]]] = {}
    for words in commands:
        ran.setdefault(" ".join(words[:2]), []).append(words[2:])
    found = set()
    for name, parser, common in parsers(program):
        if name not in ran:
            found.add(name)
        used = {word for words in ran.get(name, ()) for word in words}
        for option, action in options(parser):
            if option in common:
                continue
            if action.option_strings and not used & set(action.option_strings):
                found.add(f"{name} {option}")
            found |= {f"{name} {option} {one}" for one in action.choices or () if one not in used}
    return found


class Recorder:
    """A client of the SDK that notes which method was called with which keywords."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.called: set[tuple[str, str, str]] = set()

    def __getattr__(self, name: str) -> Any:
        return _Manager(name, getattr(self._client, name), self.called)

    def missed(self) -> set[tuple[str, str, str]]:
        """Each manager, method and keyword that was not used; "" stands for the method itself."""
        every = {
            (name, method, keyword)
            for name, manager in vars(self._client).items()
            if type(manager).__module__.startswith("watcherclient.v1.")
            and type(manager).__name__.endswith("Manager")
            for method, keywords in _methods(name, manager)
            for keyword in ("", *keywords)
        }
        assert len(every) > 60, every
        return every - self.called


class _Manager:
    def __init__(self, name: str, manager: Any, called: set[tuple[str, str, str]]) -> None:
        self._name, self._manager, self._called = name, manager, called

    def __getattr__(self, method: str) -> Callable[..., Any]:
        function = getattr(self._manager, method)

        def call(*values: Any, **keywords: Any) -> Any:
            bound = inspect.signature(function).bind(*values, **keywords).arguments
            named = {*bound, *bound.get("kwargs", {})} - {"kwargs"}
            self._called.update((self._name, method, one) for one in {"", *named})
            return function(*values, **keywords)

        return call


def _methods(name: str, manager: Any) -> Iterator[tuple[str, list[str]]]:
    for method, function in inspect.getmembers(manager, inspect.ismethod):
        if method.startswith("_"):
            continue
        keywords = list(inspect.signature(function).parameters)
        if keywords == ["kwargs"]:
            assert name in CREATED, name
            keywords = importlib.import_module(type(manager).__module__).CREATION_ATTRIBUTES
        yield method, keywords
