# SPDX-License-Identifier: Apache-2.0
"""Before any test: native threads, and how hypothesis works here.

``pytest --hypothesis-profile=long`` tries a thousand new examples of each law; otherwise the same
examples are tried each time.
"""

from hypothesis import HealthCheck, settings

import watcher.messaging  # noqa: F401 - chooses native threads before oslo.messaging is imported

# A machine under load is no fault of the code: no deadline, and drawing a world may take a while.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("steady", derandomize=True, database=None, **PATIENT)
settings.register_profile("long", max_examples=1000, database=None, print_blob=True, **PATIENT)
settings.load_profile("steady")
