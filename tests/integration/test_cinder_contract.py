# SPDX-License-Identifier: Apache-2.0
"""The real Cinder keeps the contract that the simulator imitates."""

import pytest
from keystoneauth1.session import Session

from tests.cloud.api import Cloud

pytest.register_assert_rewrite("tests.functional.simulator.cinder_contract")

from tests.functional.simulator.cinder_contract import CinderContract  # noqa: E402


class TestRealCinder(CinderContract):
    """Against the test cloud."""

    @pytest.fixture
    def session(self, storage_cloud: Cloud) -> Session:
        """The admin of the test cloud."""
        return storage_cloud.session
