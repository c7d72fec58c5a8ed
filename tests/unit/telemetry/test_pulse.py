# SPDX-License-Identifier: Apache-2.0
from watcher.telemetry.pulse import Pulse


def test_a_loop_that_goes_round_has_no_trouble():
    pulse = Pulse("due", 10)
    assert pulse.trouble == ""
    assert 0 <= pulse.age_s < 10


def test_a_loop_that_stands_still_says_for_how_long():
    pulse = Pulse("due", -1)
    assert pulse.trouble.startswith("it has not come round for 0 s")


def test_how_long_a_round_may_take_follows_from_what_is_set_meanwhile():
    limits = [60.0, -1.0]
    pulse = Pulse("due", lambda: limits.pop(0))
    assert pulse.trouble == ""
    assert pulse.trouble != ""
