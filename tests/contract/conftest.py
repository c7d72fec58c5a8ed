# SPDX-License-Identifier: Apache-2.0
"""The contract's tables are tried on the same application as the functional tests."""

from tests.functional.api.conftest import (  # noqa: F401 - fixtures are found by their names
    bench,
    conf,
    far_end,
    make_bench,
    option,
    shared,
    template,
)
