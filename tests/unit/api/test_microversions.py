# SPDX-License-Identifier: Apache-2.0
import pytest
from microversion_parse import Version

from watcher.api import microversions
from watcher.core.errors import NotAcceptable


def asked(text: str) -> Version:
    return microversions.negotiate({"OpenStack-API-Version": text})


def test_versions_are_in_order_and_without_gap() -> None:
    count = len(microversions.VERSIONS)
    assert list(microversions.VERSIONS) == [Version(1, minor) for minor in range(count)]
    assert microversions.LATEST == (1, count - 1) >= (1, 7)


def test_no_header_is_the_base() -> None:
    assert microversions.negotiate({}) == (1, 0)


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("infra-optim 1.3", (1, 3)),
        ("Infra-Optim  1", (1, 0)),
        ("infra-optim Latest", microversions.LATEST),
        ("nova 2.1,infra-optim 1.6", (1, 6)),
        ("infra-optim 9.9,infra-optim 1.1", (1, 1)),
        ("infra-optim", (1, 0)),
    ],
)
def test_the_last_word_for_us_counts(text: str, version: tuple[int, int]) -> None:
    assert asked(text) == version


@pytest.mark.parametrize("text", ["1.77", "2", "1.07.1", "abc", "-1.0", "1.-1", "99999.1", "1.٣"])
def test_what_is_not_supported_names_the_range(text: str) -> None:
    with pytest.raises(NotAcceptable, match=rf"1\.0 to {microversions.LATEST}"):
        asked(f"infra-optim {text}")


def test_the_error_does_not_repeat_a_long_header() -> None:
    with pytest.raises(NotAcceptable) as caught:
        asked("infra-optim " + "9" * 5000)
    assert len(str(caught.value)) < 150
