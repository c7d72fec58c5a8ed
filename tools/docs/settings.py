# SPDX-License-Identifier: Apache-2.0
"""Options and policies as pages."""

from typing import Any

from tools.docs import rst
from watcher import config
from watcher.api import policies as api_policies


def options() -> str:
    """Every option of Watcher's own, by group."""
    gathered: dict[str, tuple[str, list[Any]]] = {}
    for group in config.groups():
        _, members = gathered.setdefault(group.name, (group.title, []))
        members.extend(group.options)
    parts = []
    for name, (title, members) in sorted(gathered.items()):
        rows = [
            (rst.code(one.name.replace("-", "_")), _default(one), _meaning(one)) for one in members
        ]
        table = rst.table(("Option", "Default", "Meaning"), rows, "25 25 50")
        parts += [rst.heading(f"[{name}]"), f"{rst.text(title)}.\n", table]
    return rst.page("options", "Options", *parts)


def _default(option: Any) -> str:
    value = option.default if option.sample_default is None else option.sample_default
    if value is None or value in ("", [], {}):
        return "none"
    return rst.code(value if isinstance(value, str) else str(value))


def _meaning(option: Any) -> str:
    words = [rst.text(" ".join((option.help or "").split()))]
    for key, said in (("min", "At least"), ("max", "At most")):
        limit = getattr(option.type, key, None)
        if limit is not None:
            words.append(f"{said} {limit}.")
    choices = getattr(option.type, "choices", None)
    if choices:
        words.append(f"One of {', '.join(rst.code(str(one)) for one in choices)}.")
    if option.mutable:
        words.append("Read again on SIGHUP.")
    if option.deprecated_for_removal:
        words.append("Deprecated.")
    return " ".join(words)


def policies() -> str:
    """Every rule of the policy file: its default and the requests it guards."""
    rows = [
        (rst.code(rule.name), rst.code(rule.check_str), _guards(rule))
        for rule in api_policies.list_rules()
    ]
    return rst.page("policies", "Policies", rst.table(("Rule", "Default", "Guards"), rows))


def _guards(rule: Any) -> str:
    requests = [
        f"{rst.code(method)} {rst.code(operation['path'])}"
        for operation in getattr(rule, "operations", None) or ()
        for method in _methods(operation["method"])
    ]
    said = rst.text(" ".join((rule.description or "").split()))
    return f"{said} {', '.join(requests)}".strip()


def _methods(method: Any) -> list[str]:
    return [method] if isinstance(method, str) else list(method)
