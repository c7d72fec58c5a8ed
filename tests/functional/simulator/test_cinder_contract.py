# SPDX-License-Identifier: Apache-2.0
"""The simulated Cinder keeps the contract that is asked of the real one."""

from tests.functional.simulator.cinder_contract import CinderContract


class TestSimulatedCinder(CinderContract):
    """Against the simulator."""
