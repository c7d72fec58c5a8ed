# SPDX-License-Identifier: Apache-2.0
"""The simulated Nova and Placement keep the contract that is asked of the real ones."""

from tests.functional.simulator.nova_contract import NovaContract


class TestSimulatedNova(NovaContract):
    """Against the simulator."""
