# SPDX-License-Identifier: Apache-2.0
"""Whether a storage pool can serve a volume type: the rule of Cinder's CapabilitiesFilter.

https://docs.openstack.org/cinder/latest/admin/capabilities.html and the operators of its extra
specs: ``=`` (at least), ``==``, ``s==``, ``<in>``, ``<is>``, ``<or>`` and the like. An extra spec
with a scope other than ``capabilities:`` is for the driver and judges nothing.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_TRUE = frozenset({"1", "t", "true", "on", "y", "yes"})
_NUMBERS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
}
_TEXTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "s==": operator.eq,
    "s!=": operator.ne,
    "s<": operator.lt,
    "s<=": operator.le,
    "s>": operator.gt,
    "s>=": operator.ge,
}


def satisfies(capabilities: Mapping[str, Any], extra_specs: Mapping[str, str]) -> bool:
    """Whether a pool with these capabilities serves a volume type with these extra specs."""
    for key, wanted in extra_specs.items():
        scope = key.split(":")
        if scope[0] == "capabilities":
            scope = scope[1:]
        elif len(scope) > 1:
            continue
        found = _held(capabilities, scope)
        offers = found if isinstance(found, list) else [found]
        if found is _ABSENT or not any(_matches(offer, wanted) for offer in offers):
            return False
    return True


_ABSENT = object()


def _held(capabilities: Mapping[str, Any], scope: Sequence[str]) -> Any:
    found: Any = capabilities
    for name in scope:
        if not isinstance(found, Mapping) or name not in found:
            return _ABSENT
        found = found[name]
    return found


def _matches(value: Any, wanted: str) -> bool:
    words = wanted.split()
    sign = words[0] if words else ""
    if sign == "<or>":
        return value in words[1::2]
    if sign not in _NUMBERS and sign not in _TEXTS and sign not in ("<in>", "<is>"):
        return bool(value == wanted)
    return value is not None and len(words) > 1 and _compares(value, sign, words[1])


def _compares(value: Any, sign: str, wanted: str) -> bool:
    if sign == "<is>":
        return _truth(value) is _truth(wanted)
    try:
        if sign == "<in>":
            return wanted in value
        if sign in _TEXTS:
            return _TEXTS[sign](value, wanted)
        return _NUMBERS[sign](float(value), float(wanted))
    except (TypeError, ValueError):
        return False


def _truth(value: Any) -> bool:
    return value if isinstance(value, bool) else str(value).strip().lower() in _TRUE
