# SPDX-License-Identifier: Apache-2.0
"""Every error Watcher raises, as a tree.

::

    WatcherError
    ├── Invalid          what was asked for cannot be right           (HTTP 400)
    │   ├── BadParameters   strategy, action or option parameters
    │   ├── BadScope        an audit scope
    │   ├── BadInterval     an audit interval, start or end time
    │   ├── BadPatch        a JSON patch
    │   ├── BadTransition   a state change the lifecycle does not allow
    │   └── ImpossiblePlan  a plan that cannot be carried out on its cluster
    ├── Forbidden        the caller may not                           (HTTP 403)
    ├── NotFound         no such thing: kind and identifier           (HTTP 404)
    ├── NotAcceptable    newer than the negotiated microversion       (HTTP 406)
    ├── Conflict         true request, wrong moment                   (HTTP 409)
    │   ├── AlreadyExists   a unique name is taken
    │   └── LostRace        another writer was first
    ├── Unavailable      something we depend on does not answer       (HTTP 503)
    │   ├── ServiceDown     an OpenStack service, the bus, the database
    │   ├── NoMetrics       no data source has what a strategy needs
    │   └── StaleCluster    no usable picture of the cluster
    └── ActionFailed     an action did not reach its end; the text is for the operator
        └── Skip            an action has nothing to do (not a failure)

The text of an error says what happened, to which resource, and what to do. HTTP status numbers
live in ``watcher.api.expose`` only.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.core.refusals import WhyNot


class WatcherError(Exception):
    """The root of the tree; its text is safe to show to whoever asked."""


class Invalid(WatcherError):
    """What was asked for cannot be right, whatever the moment."""


class BadParameters(Invalid):
    """Parameters that a strategy, an action or an option cannot take."""


class BadScope(Invalid):
    """An audit scope that does not follow its schema."""


class BadInterval(Invalid):
    """An interval, start time or end time that gives no schedule."""


class BadPatch(Invalid):
    """A JSON patch that cannot be applied."""


class BadTransition(Invalid):
    """A state change that the lifecycle does not allow."""


class ImpossiblePlan(Invalid):
    """A plan that cannot be carried out on the cluster it was made for.

    ``why_not`` is what the constraints refused, where it was they that made it impossible.
    """

    def __init__(self, text: str, why_not: "WhyNot | None" = None) -> None:
        super().__init__(text)
        self.why_not = why_not


class Forbidden(WatcherError):
    """The caller may not do this."""


class NotFound(WatcherError):
    """There is no such thing."""

    def __init__(self, kind: str, ident: object) -> None:
        super().__init__(f"{kind} {ident} could not be found")
        self.kind = kind
        self.ident = ident


class NotAcceptable(WatcherError):
    """The request needs a newer microversion than the one negotiated."""


class Conflict(WatcherError):
    """The request is right in itself, but not at this moment."""


class AlreadyExists(Conflict):
    """A name that must be unique is taken."""


class LostRace(Conflict):
    """Another writer changed the row first."""


class Unavailable(WatcherError):
    """Something Watcher depends on does not answer."""


class ServiceDown(Unavailable):
    """An OpenStack service, the bus or the database does not answer."""


class NoMetrics(Unavailable):
    """No configured data source can give what the strategy needs."""


class StaleCluster(Unavailable):
    """There is no usable picture of the cluster."""


class ActionFailed(WatcherError):
    """An action did not reach its end; the text is the operator's explanation.

    ``phase`` is the word of the contract for where: pre_condition, execute or post_condition.
    """

    def __init__(self, text: str, *, phase: str = "execute") -> None:
        super().__init__(text)
        self.phase = phase


class Skip(ActionFailed):
    """An action has nothing to do; it becomes SKIPPED, which is not a failure."""
