# SPDX-License-Identifier: Apache-2.0
"""The verbs on SQLite."""

from tests.functional.db import moves, verbs


class TestGetting(verbs.Getting):
    pass


class TestPaging(verbs.Paging):
    pass


class TestWriting(verbs.Writing):
    pass


class TestMoving(moves.Moving):
    pass
