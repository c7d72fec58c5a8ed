# SPDX-License-Identifier: Apache-2.0
"""Nothing that the clients offer was forgotten: checked at the end of the other tests here."""

import pytest

from tests.integration.clients import whole


@pytest.fixture(autouse=True)
def _after_all_others(request):
    ran = {item.path.stem for item in request.session.items}
    if not {"test_commands", "test_sdk"} <= ran:
        pytest.skip("it looks at what test_commands.py and test_sdk.py did: run the folder")


@pytest.mark.parametrize("program", whole.GROUPS)
def test_every_subcommand_ran_with_every_option_and_choice(fronts, program):
    assert whole.missed(program, fronts[program].ran) == set()


def test_every_method_of_the_sdk_was_called_with_every_keyword(sdk):
    assert sdk.missed() == set()
