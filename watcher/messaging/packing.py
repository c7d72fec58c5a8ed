# SPDX-License-Identifier: Apache-2.0
"""Large answers over the bus, made small.

RabbitMQ 4 refuses messages above 16 MiB (``max_message_size``); the data model of 100,000
instances is 68 MiB of JSON, and 6 MiB packed.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

KEY = "packed"
LEVEL = 1
"""zlib's fastest: a third larger than its best, in less than half of the time."""


def pack(value: Any) -> dict[str, str]:
    """A plain value for the wire."""
    squeezed = zlib.compress(json.dumps(value).encode(), LEVEL)
    return {KEY: base64.b64encode(squeezed).decode("ascii")}


def unpack(answer: Any) -> Any:
    """The value again; what was not packed is what it is."""
    if isinstance(answer, Mapping) and KEY in answer:
        return json.loads(zlib.decompress(base64.b64decode(answer[KEY])))
    return answer
