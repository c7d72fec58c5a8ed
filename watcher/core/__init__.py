# SPDX-License-Identifier: Apache-2.0
"""Pure values and rules: numpy, jsonschema, the standard library; no I/O, clock or chance."""
