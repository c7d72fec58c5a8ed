# SPDX-License-Identifier: Apache-2.0
"""How hypothesis works here: the same examples each time, more of them when asked.

``pytest --hypothesis-profile=long`` tries a thousand new examples of each law.
"""

from hypothesis import HealthCheck, settings

# A machine under load is no fault of the code: no deadline, and drawing a world may take a while.
PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("steady", derandomize=True, database=None, **PATIENT)
settings.register_profile("long", max_examples=1000, database=None, print_blob=True, **PATIENT)
settings.load_profile("steady")
