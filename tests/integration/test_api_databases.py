# SPDX-License-Identifier: Apache-2.0
"""The API on MariaDB and PostgreSQL: what SQLite lets pass in types, case and locks."""

from collections.abc import Callable, Iterator

import pytest
import webtest
from oslo_config import cfg

from tests.functional.api import test_lists as lists
from tests.functional.api import test_never_5xx as random_requests
from tests.functional.api import test_protocol as protocol
from tests.functional.api import test_races as races
from tests.functional.api.bench import Bench, Listener
from tests.functional.api.conftest import conf, far_end, fill  # noqa: F401 - fixtures
from watcher.api.app import make_app
from watcher.db.engine import Database
from watcher.messaging.transport import Bus


@pytest.fixture(params=["mariadb", "postgresql"])
def real_bench(
    request: pytest.FixtureRequest,
    standing: Callable[[str], str],
    conf: cfg.ConfigOpts,  # noqa: F811
    far_end: tuple[Bus, Listener],  # noqa: F811
) -> Iterator[Bench]:
    """The API on an empty database of a real server."""
    database = Database(standing(request.param))
    fill(database)
    bus, listener = far_end
    yield Bench(webtest.TestApp(make_app(conf, database, bus)), database, listener, bus)
    database.dispose()


@pytest.mark.parametrize(
    "scenario",
    [
        races.test_one_of_many_creates_gets_a_name,
        races.test_a_plan_started_many_times_is_launched_once,
        races.test_start_and_cancel_and_delete_leave_one_of_their_ends,
        races.test_an_audit_moves_along_its_lifecycle_whoever_pushes,
    ],
)
def test_races(real_bench: Bench, scenario: Callable[[Bench], None]) -> None:
    scenario(real_bench)


@pytest.mark.parametrize("collection", lists.KEYS)
def test_every_key_sorts_and_pages(real_bench: Bench, collection: str) -> None:
    lists.filled(real_bench)
    for key in lists.KEYS[collection].split():
        if not key.endswith(("name", "uuid", "host", "description", "metainfo")):
            for direction in ("asc", "desc"):
                lists.check_sorting(real_bench, collection, key, direction)
        else:  # texts sort by the server's collation, not by Python's
            path = f"/v1/{collection}?limit=1&sort_key={key}"
            found = [item for page in lists.pages(real_bench, path, collection) for item in page]
            assert len(found) == len(real_bench.get(f"/v1/{collection}")[collection])


def test_random_requests_never_give_a_5xx(real_bench: Bench) -> None:
    assert {200, 201, 400, 404} <= set(random_requests.hammer(real_bench, 3, 500))


def test_a_mistake_in_a_statement_is_ours(
    real_bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    protocol.test_a_column_that_is_not_there_is_a_mistake_and_not_an_absent_database(
        real_bench, caplog
    )
