# SPDX-License-Identifier: Apache-2.0
"""A running simulator, and sessions with it."""

from collections.abc import Callable, Iterator

import pytest
from keystoneauth1.identity.v3 import Password
from keystoneauth1.session import Session

from watcher.simulator.generate import generate
from watcher.simulator.server import Simulator

pytest.register_assert_rewrite("tests.functional.simulator.nova_contract")

Login = Callable[..., Session]


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A cloud of 12 hosts and 80 servers where a migration takes a tenth of a second."""
    with Simulator(generate(1, 12, 80), speed=50) as simulator:
        yield simulator


@pytest.fixture
def login(simulator: Simulator) -> Login:
    """``login("member")``: a session of a user."""

    def session(user: str = "admin", project: str = "admin", password: str = "any") -> Session:
        auth = Password(
            auth_url=simulator.urls.identity,
            username=user,
            password=password,
            project_name=project,
            user_domain_id="default",
            project_domain_id="default",
        )
        return Session(auth=auth)

    return session


@pytest.fixture
def session(login: Login) -> Session:
    """The admin."""
    return login()
