# SPDX-License-Identifier: Apache-2.0
"""Webhooks: an alarm runs an EVENT audit (rest-api 21).

Alarm services send no microversion and any JSON document; neither matters.
"""

from watcher.api import types
from watcher.api.expose import ACCEPTED, Anything, Call, expose
from watcher.core.errors import Invalid
from watcher.db import models, store

_READY = ("PENDING", "SUCCEEDED")


@expose(
    "POST",
    "webhooks/{audit}",
    "webhook:trigger",
    body=Anything,
    status=ACCEPTED,
    switch="enable_webhooks_auth",
)
def trigger(call: Call, ident: str) -> None:
    """Ask the decision engine for a run; without a bus ServiceDown, and none is asked for."""
    audit = store.get(call.session, models.Audit, types.as_uuid(ident) or ident)
    if audit.audit_type != "EVENT":
        raise Invalid(f"audit {audit.uuid} is {audit.audit_type}: only EVENT audits have webhooks")
    if audit.state not in _READY:
        raise Invalid(
            f"audit {audit.uuid} is {audit.state}: it can be triggered when {' or '.join(_READY)}"
        )
    call.api.engine.trigger_audit(call.context, audit.uuid)
