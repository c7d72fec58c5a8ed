# SPDX-License-Identifier: Apache-2.0
"""Who asks, under which request id, and which audit or plan the log lines are about."""

from collections.abc import Mapping
from typing import Any

from oslo_context import context


class RequestContext(context.RequestContext):
    """oslo.context's, which travels over the bus; ``resource_uuid`` heads log lines of a job."""


def for_job(resource_uuid: str, origin: Mapping[str, Any] | None = None) -> RequestContext:
    """The context of a daemon's own job about one audit or plan, made current for this thread.

    ``origin`` is the context that came with a message, so that the request id is kept.
    """
    known = RequestContext.from_dict(dict(origin or {}))
    known.resource_uuid = resource_uuid
    known.update_store()
    return known
