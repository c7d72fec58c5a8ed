# SPDX-License-Identifier: Apache-2.0
"""What the search of the daemons' logs finds, as oslo.log writes it, and what it lets pass."""

import pytest

from tests.integration import leaks

AT = "2026-11-28 01:02:03.004 4321"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"{AT} INFO watcher.db.store audit a: PENDING -> ONGOING", []),
        (f"{AT} DEBUG keystoneauth.session -H 'X-Auth-Token: {{SHA256}}5c3e'", []),
        (f"{AT} DEBUG keystoneauth.session X-Auth-Token: gAAAA{'x' * 99}", ["a token"]),
        (f"{AT} ERROR watcher.api.expose INSERT INTO audits (uuid) VALUES (1)", ["SQL"]),
        (f"{AT} ERROR watcher.api.expose [SQL: SELECT 1 AS x FROM audits]", ["SQL"]),
        (f"{AT} ERROR watcher.api.expose Traceback (most recent call last):", ["a traceback"]),
        ("Traceback (most recent call last):", ["a traceback"]),
        ("Exception in thread 1: Traceback (most recent call last):", ["a traceback"]),
        (f"{AT} DEBUG watcher.config connection = mysql://w:hidden@h/db", ["a password"]),
    ],
)
def test_a_line_that_tells_too_much_is_found(line, found):
    assert leaks.faults(line, leaks.within("mysql://w:hidden@h/db")) == found
