# SPDX-License-Identifier: Apache-2.0
"""What is wrong with [database] connection is told, its password is not."""

import pytest

from watcher.core.errors import Invalid
from watcher.db.engine import Database


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://w:p@ss:hidden@h:12/db", r"cannot be used: .*\(escape special .* as %XX\)"),
        ("mysql://w:hidden@h:hidden/db", "cannot be used: its port is not a number"),
        ("mysql+nodriver://w:hidden@h/db", "cannot be used: Can't load plugin"),
        ("mysql+mysqldb://w:hidden@h/db", r"needs the Python package MySQLdb; .*\[mysql\]"),
    ],
)
def test_a_connection_that_cannot_be_used_is_one_line_without_password(url, text):
    with pytest.raises(Invalid, match=rf"^\[database\] connection {text}") as caught:
        Database(url)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)
