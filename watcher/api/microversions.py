# SPDX-License-Identifier: Apache-2.0
"""The microversions of the API, newest last, and how one is chosen for a request.

A client asks with ``OpenStack-API-Version: infra-optim 1.N``; without the header it gets 1.0.
Every answer but that of ``/`` names the version used and the range there is (rest-api 2).
"""

import re
from collections.abc import MutableMapping
from typing import Any

import microversion_parse
from microversion_parse import Version
from pecan.hooks import PecanHook

from watcher.core.errors import NotAcceptable

SERVICE = "infra-optim"
HEADER = "OpenStack-API-Version"

BASE = Version(1, 0)
TIMES = Version(1, 1)  # start_time and end_time of audits
FORCE = Version(1, 2)  # force of audits
DATA_MODEL = Version(1, 3)  # GET /data_model
WEBHOOKS = Version(1, 4)  # POST /webhooks/{audit} and audits of type EVENT
SKIP = Version(1, 5)  # PATCH /actions/{uuid}; status_message of audits, plans and actions
EXTENDED = Version(1, 6)  # server_pinned_az and server_flavor_extra_specs in the data model
DEFAULTS = Version(1, 7)  # default_parameters of audit templates
EXECUTION = Version(1, 8)  # on_failure of audits and plans, undoes of actions, plans retried
WHY_NOT = Version(1, 9)  # why_not of audits
MODEL = Version(1, 10)  # how old the data model is and how it came about
REPORT = Version(1, 11)  # reports of action plans
DRY_RUN = Version(1, 12)  # dry_run of audits and of their action plans

VERSIONS = (
    *(BASE, TIMES, FORCE, DATA_MODEL, WEBHOOKS, SKIP, EXTENDED, DEFAULTS, EXECUTION),
    *(WHY_NOT, MODEL, REPORT, DRY_RUN),
)
LATEST = VERSIONS[-1]

_WORD = re.compile(r"([0-9]{1,4})(?:\.([0-9]{1,4}))?")


def negotiate(headers: MutableMapping[str, str]) -> Version:
    """The version the headers ask for; the last word for our service counts.

    Raises NotAcceptable for a version outside the range and for what is no version.
    """
    word = microversion_parse.get_version(headers, SERVICE)
    if word is None:
        return BASE
    if word.lower() == "latest":
        return LATEST
    found = _WORD.fullmatch(word)
    version = Version(int(found[1]), int(found[2] or 0)) if found else None
    if version not in VERSIONS:
        raise NotAcceptable(
            f"version {word[:40]} is not supported; the supported versions are {BASE} to {LATEST}"
        )
    return version


class Microversions(PecanHook):
    """Chooses the version before the route is looked up and names it in every answer.

    The version document at ``/`` belongs to no version: it neither reads nor carries the headers.
    """

    def on_route(self, state: Any) -> None:
        """Put the negotiated version into the request's context."""
        context = state.request.context
        context["discovery"] = state.request.path_info in ("", "/")
        if not context["discovery"]:
            context["version"] = negotiate(state.request.headers)

    def after(self, state: Any) -> None:
        """Add the version headers; without a version used, those of the range."""
        context = state.request.context
        if context.get("discovery"):
            return
        headers = state.response.headers
        headers["OpenStack-API-Minimum-Version"] = str(BASE)
        headers["OpenStack-API-Maximum-Version"] = str(LATEST)
        headers["Vary"] = ", ".join((HEADER, *(state.response.vary or ())))
        if "version" in context:
            headers[HEADER] = f"{SERVICE} {context['version']}"
