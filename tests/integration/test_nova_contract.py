# SPDX-License-Identifier: Apache-2.0
"""The real Nova and Placement keep the contract that the simulator imitates."""

import pytest
from keystoneauth1.session import Session

from tests.cloud.api import Cloud

pytest.register_assert_rewrite("tests.functional.simulator.nova_contract")

from tests.functional.simulator.nova_contract import NovaContract  # noqa: E402


class TestRealNova(NovaContract):
    """Against the test cloud."""

    @pytest.fixture
    def session(self, cloud: Cloud) -> Session:
        """The admin of the test cloud, seeded afresh."""
        return cloud.session
