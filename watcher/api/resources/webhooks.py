# SPDX-License-Identifier: Apache-2.0
"""Webhooks: an alarm runs an EVENT audit (rest-api 21).

Alarm services send no microversion and any JSON document; neither matters.
"""

from watcher.api import types
from watcher.api.bodies import Anything
from watcher.api.expose import ACCEPTED, Call, expose
from watcher.core.errors import Invalid
from watcher.db import clock, models, store

_READY = ("PENDING", "ONGOING", "SUCCEEDED", "FAILED")


@expose(
    "POST",
    "webhooks/{audit}",
    "webhook:trigger",
    body=Anything,
    status=ACCEPTED,
    switch="enable_webhooks_auth",
)
def trigger(call: Call, ident: str) -> None:
    """Ask for a run: it is written down, so a lost message loses no alarm.

    Alarms that come before the run begins cause one run; one that comes while the audit runs
    causes another after it.
    """
    audit = store.get(call.session, models.Audit, types.as_uuid(ident) or ident)
    if audit.audit_type != "EVENT":
        raise Invalid(f"audit {audit.uuid} is {audit.audit_type}: only EVENT audits have webhooks")
    if audit.state not in _READY:
        raise Invalid(
            f"audit {audit.uuid} is {audit.state}: it can be triggered when {' or '.join(_READY)}"
        )
    now = clock.now(call.session)
    if (audit.start_time and now < audit.start_time) or (audit.end_time and now >= audit.end_time):
        raise Invalid(
            f"audit {audit.uuid} is not to be triggered now, but only between"
            f" {audit.start_time or 'any time'} and {audit.end_time or 'any time'} (UTC)"
        )
    store.change(call.session, audit, next_run_time=now)
    call.ring(call.api.engine.trigger_audit, audit.uuid)
