# SPDX-License-Identifier: Apache-2.0
"""Whether a loop still goes round."""

import time
from collections.abc import Callable


class Pulse:
    """The life of a loop: it says ``beat()`` each time round.

    ``allowed_s`` is how long one round may take, its pause and a database that is waited for
    included; a function, where it follows from options that may change.
    """

    def __init__(self, name: str, allowed_s: float | Callable[[], float]) -> None:
        self.name = name
        self._allowed_s = allowed_s
        self._at_s = time.monotonic()

    def beat(self) -> None:
        """The loop begins another round."""
        self._at_s = time.monotonic()

    @property
    def age_s(self) -> float:
        """Seconds since the last beat, or since this was made."""
        return time.monotonic() - self._at_s

    @property
    def trouble(self) -> str:
        """What is wrong; '' while the loop goes round."""
        age_s, allowed = self.age_s, self._allowed_s
        allowed_s = allowed() if callable(allowed) else allowed
        if age_s <= allowed_s:
            return ""
        return f"it has not come round for {age_s:.0f} s, more than {allowed_s:.0f} s"
