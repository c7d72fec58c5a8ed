# SPDX-License-Identifier: Apache-2.0
"""Webhooks: an alarm runs an EVENT audit (rest-api 21).

Alarm services send no microversion and any JSON document; neither matters.
"""

from watcher.api import types
from watcher.api.expose import ACCEPTED, Anything, Call, expose
from watcher.core.errors import Invalid
from watcher.db import models, store

_READY = ("PENDING", "SUCCEEDED")


@expose("POST", "webhooks/{audit}", None, body=Anything, status=ACCEPTED)
def trigger(call: Call, ident: str) -> None:
    """Ask the decision engine for a run. Raises ServiceDown, with no run asked for, without bus.

    The policy is asked here and not at the door: with open webhooks there is nobody to judge.
    """
    if call.api.conf.api.enable_webhooks_auth:
        call.api.policy.check(call.context, "webhook:trigger")
    audit = store.get(call.session, models.Audit, types.as_uuid(ident) or ident)
    if audit.audit_type != "EVENT":
        raise Invalid(f"audit {audit.uuid} is {audit.audit_type}: only EVENT audits have webhooks")
    if audit.state not in _READY:
        raise Invalid(
            f"audit {audit.uuid} is {audit.state}: it can be triggered when {' or '.join(_READY)}"
        )
    call.api.engine.trigger_audit(call.context, audit.uuid)
