# SPDX-License-Identifier: Apache-2.0
import json

import pytest

from watcher.messaging.packing import pack, unpack

ROW = {"server_uuid": "d7a1", "größe": 1.5, "none": None, "list": [1, True]}


@pytest.mark.parametrize("value", [[], [ROW], {"context": [ROW], "model": {}}])
def test_what_was_packed_is_the_same_again(value):
    assert unpack(pack(value)) == value


def test_rows_that_are_alike_become_small():
    rows = [{**ROW, "server_uuid": f"{number:032x}"} for number in range(1000)]
    assert len(pack(rows)) < len(json.dumps(rows)) / 5
