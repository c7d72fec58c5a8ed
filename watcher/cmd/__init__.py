# SPDX-License-Identifier: Apache-2.0
"""Entry points; the only room that names cfg.CONF."""
