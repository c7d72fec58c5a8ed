# SPDX-License-Identifier: Apache-2.0
"""Sections, credentials, and foreign errors in our words."""

import socket
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from keystoneauth1 import exceptions as keystone_errors
from novaclient import exceptions as nova_errors
from oslo_config import cfg

from watcher import config
from watcher.clients.session import OPTIONS, Clients, retrying, translated
from watcher.core.errors import Conflict, Forbidden, Invalid, NotFound, ServiceDown, WatcherError

Configure = Callable[[str], cfg.ConfigOpts]

PASSWORD = """
auth_type = password
auth_url = {url}
username = watcher
password = secret
project_name = service
user_domain_name = Default
project_domain_name = Default
"""


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    def read(text: str) -> cfg.ConfigOpts:
        path = tmp_path / "watcher.conf"
        path.write_text(text)
        conf = cfg.ConfigOpts()
        for group in OPTIONS:
            group.register(conf)
        conf(["--config-file", str(path)])
        return conf

    return read


@pytest.fixture
def closed_url() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("version", ["2.55", "2.1", "1.99", "latest", "2", ""])
def test_a_microversion_below_2_56_is_refused_with_the_one_that_is_needed(
    configure: Configure, version: str
) -> None:
    with pytest.raises(Invalid, match=r"\[nova\] api_version is .*2\.56 or newer"):
        Clients(configure(f"[nova]\napi_version = {version}\n"))


@pytest.mark.parametrize("version", ["2.56", "2.96", "2.100", "3.1"])
def test_a_microversion_from_2_56_on_is_taken(configure: Configure, version: str) -> None:
    assert Clients(configure(f"[nova]\napi_version = {version}\n")).nova_version == version


def test_the_former_sections_are_still_read(configure: Configure) -> None:
    conf = configure(
        "[nova_client]\napi_version = 2.60\nregion_name = north\nendpoint_type = internalURL\n"
        "[placement_client]\ninterface = admin\nregion_name = south\n"
    )
    assert (conf.nova.api_version, conf.nova.region_name) == ("2.60", "north")
    assert conf.nova.valid_interfaces == ["internalURL"]
    assert (conf.placement.valid_interfaces, conf.placement.region_name) == (["admin"], "south")


def test_without_credentials_the_error_names_the_section_to_fill(configure: Configure) -> None:
    with pytest.raises(Invalid, match=r"no credentials: .*\[watcher_clients_auth\]"):
        _ = Clients(configure("")).compute


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("auth_type = password\n", "auth_url"),
        ("auth_type = pasword\n", "pasword could not be found"),
    ],
)
def test_credentials_that_cannot_be_used_are_told_as_such(
    configure: Configure, text: str, reason: str
) -> None:
    clients = Clients(configure(f"[watcher_clients_auth]\n{text}"))
    with pytest.raises(Invalid, match=r"\[watcher_clients_auth\] cannot be used") as caught:
        _ = clients.compute
    assert reason in str(caught.value)


def test_services_without_own_credentials_share_one_session(
    configure: Configure, closed_url: str
) -> None:
    clients = Clients(configure("[watcher_clients_auth]" + PASSWORD.format(url=closed_url)))
    assert clients.compute.session is clients.placement.session
    assert clients.compute is clients.compute


def test_a_service_with_own_credentials_has_its_own_session(
    configure: Configure, closed_url: str
) -> None:
    clients = Clients(
        configure(
            "[watcher_clients_auth]" + PASSWORD.format(url=closed_url)
            + "[placement]" + PASSWORD.format(url=f"{closed_url}/other").replace("secret", "own")
        )
    )  # fmt: skip
    assert clients.placement.session is not clients.compute.session
    assert clients.placement.session.auth.auth_url == f"{closed_url}/other"


def test_credentials_may_be_those_of_another_section(
    configure: Configure, closed_url: str
) -> None:
    clients = Clients(
        configure(
            "[watcher_clients_auth]\nauth_section = keystone_authtoken\n"
            "[keystone_authtoken]" + PASSWORD.format(url=closed_url)
        )
    )
    assert clients.compute.session.auth.auth_url == closed_url


def test_a_service_may_keep_the_shared_credentials_and_have_its_own_authority(
    configure: Configure, closed_url: str
) -> None:
    clients = Clients(
        configure(
            "[watcher_clients_auth]" + PASSWORD.format(url=closed_url)
            + "[nova]\ncafile = /etc/ssl/nova.pem\n"
        )
    )  # fmt: skip
    assert clients.compute.session.verify == "/etc/ssl/nova.pem"
    assert clients.placement.session.verify is True
    assert clients.compute.session.auth.auth_url == closed_url


def test_a_keystone_that_is_not_there_is_named_with_its_address(
    configure: Configure, closed_url: str
) -> None:
    clients = Clients(configure("[watcher_clients_auth]" + PASSWORD.format(url=closed_url)))
    with pytest.raises(ServiceDown) as caught, translated("nova"):
        clients.compute.get("/servers")
    text = str(caught.value)
    assert text.startswith(f"Keystone does not answer at {closed_url}")
    assert "Connection refused; check that it runs, and auth_url in [nova]" in text
    assert "\n" not in text


def test_a_nova_that_is_not_there_is_named_with_its_address(
    configure: Configure, closed_url: str
) -> None:
    clients = Clients(
        configure(f"[nova]\nauth_type = none\nendpoint_override = {closed_url}/v2.1\n")
    )
    for call in (lambda: clients.compute.get("/servers"), lambda: clients.nova.servers.list()):
        with pytest.raises(ServiceDown) as caught, translated("nova"):
            call()
        assert str(caught.value).startswith(f"Nova does not answer at {closed_url}/v2.1/servers")
        assert "[nova] endpoint_override" in str(caught.value)


@pytest.mark.parametrize(
    ("foreign", "ours", "text"),
    [
        (keystone_errors.NotFound(message="Server x is gone"), NotFound, "Server x is gone"),
        (nova_errors.NotFound(404, "Host y is unknown"), NotFound, "Host y is unknown"),
        (
            nova_errors.Conflict(409, "task_state is migrating"),
            Conflict,
            "task_state is migrating",
        ),
        (keystone_errors.Conflict(message="busy"), Conflict, "Nova: busy"),
        (nova_errors.Forbidden(403, "Policy says no"), Forbidden, "Policy says no"),
        (nova_errors.BadRequest(400, "No\nvalid   host"), Invalid, "Nova: No valid host"),
        (nova_errors.ClientException(500, "Unexpected"), ServiceDown, "HTTP 500: Unexpected"),
        (keystone_errors.ServiceUnavailable(message="later"), ServiceDown, "HTTP 503: later"),
        (nova_errors.RateLimit(429, "slow down"), ServiceDown, "HTTP 429: slow down"),
        (keystone_errors.Unauthorized(message="who?"), ServiceDown, "credentials were refused"),
        (
            keystone_errors.EndpointNotFound("None."),
            ServiceDown,
            "not in Keystone's catalog: None.",
        ),
        (keystone_errors.SSLError("bad certificate"), ServiceDown, "bad certificate"),
        (nova_errors.UnsupportedVersion("2.200 is too new"), Invalid, "2.200 is too new"),
    ],
)
def test_each_foreign_error_becomes_ours_with_its_own_words(
    foreign: Exception, ours: type[WatcherError], text: str
) -> None:
    with pytest.raises(WatcherError) as caught, translated("nova"):
        raise foreign
    assert type(caught.value) is ours or issubclass(type(caught.value), ours)
    assert text in str(caught.value)
    assert caught.value.__cause__ is foreign


def test_our_own_errors_and_bugs_pass_untouched() -> None:
    for error in (Conflict("ours"), KeyError("a bug")):
        with pytest.raises(type(error)) as caught, translated("nova"):
            raise error
        assert caught.value is error


def failing(errors: list[Exception]) -> Callable[[], str]:
    def call() -> str:
        with translated("nova"):
            if errors:
                raise errors.pop(0)
            return "done"

    return call


def test_a_passing_failure_is_repeated_until_it_passes() -> None:
    errors = [keystone_errors.ServiceUnavailable(), keystone_errors.ConnectFailure("x")]
    assert retrying(3, 0.0)(failing(errors)) == "done"


def test_a_failure_is_raised_as_it_is_when_the_tries_are_used_up() -> None:
    errors = [keystone_errors.ConnectFailure("x") for _ in range(3)]
    with pytest.raises(ServiceDown, match="Nova does not answer"):
        retrying(2, 0.0)(failing(errors))
    assert len(errors) == 1


@pytest.mark.parametrize(
    "final", [keystone_errors.NotFound(), keystone_errors.InternalServerError()]
)
def test_a_failure_that_does_not_pass_is_not_repeated(final: Exception) -> None:
    errors = [final, keystone_errors.ConnectFailure("never reached")]
    with pytest.raises(WatcherError):
        retrying(5, 0.0)(failing(errors))
    assert len(errors) == 1


def test_a_stop_ends_the_wait_between_two_tries_at_once() -> None:
    stop = Event()
    stop.set()
    errors = [keystone_errors.ConnectFailure("x")]
    assert retrying(2, 3600.0, stop)(failing(errors)) == "done"


def test_the_sample_shows_what_a_login_by_password_asks_for():
    shown = {group: {one.dest for one in options} for group, options in config.list_opts()}
    for group in ("watcher_clients_auth", "nova", "placement"):
        assert {"auth_type", "auth_url", "username", "password", "project_name"} <= shown[group]
