# SPDX-License-Identifier: Apache-2.0
"""JSON patch (RFC 6902, the operations add, replace and remove) within what a view lets change.

The document patched holds only the patchable attributes, so that every other path is refused; the
result is checked attribute by attribute against the view's types. Either all of a patch is applied
or nothing (contract: rest-api 11).
"""

import re
from collections.abc import Mapping
from typing import Any

import jsonpatch
import jsonpointer
from wsme.types import UserType, validate_value

from watcher.core.errors import BadPatch

SETS, REMOVES = ("add", "replace"), "remove"
_PATH = re.compile(r"(/[\w-]+)+")
_OPERATIONS = frozenset({*SETS, REMOVES})
_KEYS = frozenset({"op", "path", "value"})


def apply(
    patch: Any, allowed: Mapping[str, UserType], current: Mapping[str, Any]
) -> dict[str, Any]:
    """The attributes after the patch, those it touches only.

    ``allowed`` holds the types of the attributes that may be patched (``views.patchable``),
    ``current`` their present values as JSON. A removed attribute comes back as None. Raises
    BadPatch for anything that is no patch of these attributes and for values of a wrong type.
    """
    if not isinstance(patch, list):
        raise BadPatch("a patch must be a list of operations")
    touched = [_root(operation, allowed) for operation in patch]
    document = {name: current.get(name) for name in allowed}
    try:
        result = jsonpatch.apply_patch(document, patch)
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException) as error:
        raise BadPatch(f"the patch cannot be applied: {error}") from error
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise BadPatch("the patch leads into a value that is no list or object") from error
    return {name: _checked(name, allowed[name], result.get(name)) for name in touched}


def _root(operation: Any, allowed: Mapping[str, UserType]) -> str:
    """The attribute an operation is about; BadPatch when it is no operation on one of ours."""
    if not isinstance(operation, dict) or operation.keys() - _KEYS:
        raise BadPatch("an operation is an object with op, path and value")
    word, path = operation.get("op"), operation.get("path")
    if not isinstance(word, str) or word not in _OPERATIONS:
        raise BadPatch("op must be add, replace or remove")
    if not isinstance(path, str) or not _PATH.fullmatch(path):
        raise BadPatch("path must look like /attribute or /attribute/member")
    if word != "remove" and "value" not in operation:
        raise BadPatch(f"{word} {path[:80]} needs a value")
    root = path.split("/")[1]
    if root not in allowed:
        raise BadPatch(f"{path[:80]} cannot be changed; {_listed(allowed)} can")
    return root


def _checked(name: str, datatype: UserType, value: Any) -> Any:
    try:
        return validate_value(datatype, value)
    except ValueError as error:
        raise BadPatch(f"/{name} {error}") from error


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(f"/{name}" for name in names)
