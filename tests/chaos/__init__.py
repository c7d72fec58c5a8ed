# SPDX-License-Identifier: Apache-2.0
"""A whole Watcher in many processes on a simulated cloud, while things go wrong at random.

``site`` runs the processes, ``work`` asks for audits and plans, ``faults`` breaks things, ``verdict``
says what was lost or untrue at the end. Run by ``tools/chaos`` and tests/integration/test_chaos.py.
"""
