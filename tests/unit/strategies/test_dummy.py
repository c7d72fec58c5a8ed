# SPDX-License-Identifier: Apache-2.0
"""The strategy that only says hello."""

from tests.worlds import world
from watcher.core.metrics import Metrics
from watcher.core.parameters import schema
from watcher.core.solution import nop, sleep
from watcher.strategies.dummy import Dummy, Parameters


def test_it_says_two_words_and_sleeps() -> None:
    given = Parameters(para1=1.5, para2="bye")
    solution = Dummy().solve(world().cluster(), Metrics(), given)
    assert solution.actions == (nop("hello World"), nop("bye"), sleep(1.5))


def test_it_measures_nothing() -> None:
    assert Dummy().queries(Parameters()) == ()


def test_its_parameters_are_those_of_the_contract() -> None:
    properties = schema(Parameters)["properties"]
    para1, para2 = properties["para1"], properties["para2"]
    assert (para1["type"], para1["default"]) == ("number", 3.2)
    assert (para1["minimum"], para1["maximum"]) == (1.0, 10.2)
    assert (para2["type"], para2["default"]) == ("string", "hello")
