"""Which service a session speaks to."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pegbox._sdk import local_server, target
from pegbox._sdk.displays import Quiet
from pegbox.errors import HomeError, ServerError, VersionMismatch
from pegbox.session import Session, get_execution_role

from .conftest import FakeService

NO_JOBS: dict[str, Any] = {"HyperParameterTuningJobSummaries": [], "TrainingJobSummaries": []}


@pytest.fixture
def aws_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Profiles, keys, a region and a proxy that happen to be there."""
    (tmp_path / "aws").mkdir()
    (tmp_path / "aws" / "config").write_text(
        "[profile work]\nregion = eu-west-1\nendpoint_url = http://127.0.0.1:9\n[default]\nregion = eu-west-2\n"
    )
    (tmp_path / "aws" / "credentials").write_text(
        "[work]\naws_access_key_id = AMBIENTPROFILE\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws" / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws" / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AMBIENTKEY")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "AMBIENTTOKEN")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")


def described(service: FakeService, session: Session) -> str:
    """Send one request and return the credential that signed it."""
    session.describe_training_job("x")
    authorization = service.headers[-1]["Authorization"]
    assert "X-Amz-Security-Token" not in service.headers[-1]
    return authorization.partition("Credential=")[2].partition("/")[0]


@pytest.mark.usefixtures("aws_settings")
def test_ambient_aws_settings_neither_choose_nor_sign(service: FakeService) -> None:
    """With profile, keys, token, region and proxy set, the local server is spoken to with its own key."""
    session = Session()
    assert described(service, session) == "PEGBOXKEY"
    assert (session.is_local, session.boto_region_name) == (True, "us-east-1")
    assert session.boto_session.get_credentials().access_key == "PEGBOXKEY"
    assert session.target.sentence() == f"pegbox: local server {service.url} (home {service.home})"


def test_a_profile_that_is_not_there_does_not_matter(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_PROFILE naming nothing stops boto3, not the local server."""
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    assert described(service, Session()) == "PEGBOXKEY"


@pytest.mark.usefixtures("aws_settings")
@pytest.mark.parametrize(
    "variable", ["PEGBOX_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER", "AWS_ENDPOINT_URL"]
)
def test_a_variable_that_names_the_local_server_changes_nothing(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """After ``pegbox env`` the local server is still the local server, signed with its own key."""
    monkeypatch.setenv(variable, service.url)
    session = Session()
    assert described(service, session) == "PEGBOXKEY"
    assert session.is_local


@pytest.mark.usefixtures("aws_settings")
def test_the_strongest_explicit_choice_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Argument before variable, ours before AWS's, the specific before the general; the line says which."""
    monkeypatch.setenv("PEGBOX_HOME", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://general.example")
    assert Session().target.url == "https://general.example"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "https://specific.example")
    assert Session().target.url == "https://specific.example"
    monkeypatch.setenv("PEGBOX_ENDPOINT_URL", "https://ours.example/")
    assert Session().target.url == "https://ours.example"
    found = Session(endpoint_url="https://argument.example").target
    assert (found.url, found.is_local) == ("https://argument.example", False)
    assert found.sentence() == "pegbox: https://argument.example (chosen by endpoint_url)"
    assert not (tmp_path / "none").exists()


def test_boto_session_and_client_are_explicit_choices(service: FakeService) -> None:
    """A boto3 session means AWS in its region; a client means what it speaks to."""
    import boto3

    theirs = boto3.Session("k", "s", region_name="eu-central-1")
    found = Session(boto_session=theirs).target
    assert (found.url, found.region, found.is_local) == (None, "eu-central-1", False)
    assert found.sentence() == "pegbox: AWS SageMaker in eu-central-1 (chosen by boto_session)"
    client = theirs.client("sagemaker", endpoint_url=service.url)
    session = Session(sagemaker_client=client)
    assert session.sagemaker_client is client
    assert (session.target.url, session.is_local) == (service.url, False)
    assert described(service, session) == "k"
    with pytest.raises(ValueError, match="boto_session has no region"):
        _ = Session(boto_session=type("NoRegion", (), {"region_name": None})()).target


def test_a_strange_server_on_this_machine_needs_a_key(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No key is guessed for another server on loopback; the variables for it work."""
    monkeypatch.setenv("PEGBOX_HOME", str(tmp_path / "other"))
    with pytest.raises(ServerError, match="PEGBOX_ACCESS_KEY_ID"):
        _ = Session(endpoint_url=service.url).target
    monkeypatch.setenv("PEGBOX_ACCESS_KEY_ID", "OTHER")
    monkeypatch.setenv("PEGBOX_SECRET_ACCESS_KEY", "x")
    assert described(service, Session(endpoint_url=service.url)) == "OTHER"


def test_server_file_must_name_this_machine(service: FakeService) -> None:
    """A server.json that points elsewhere sends nothing anywhere."""
    facts = json.loads((service.home / "server.json").read_text())
    (service.home / "server.json").write_text(json.dumps({**facts, "url": "http://example.org:80"}))
    with pytest.raises(ServerError, match="not on this machine"):
        local_server.find(service.home)


def test_a_stranger_on_the_port_is_not_the_server(service: FakeService, tmp_path: Path) -> None:
    """What answers must know the home's name."""
    assert local_server.find(service.home) is not None
    copied = tmp_path / "copied"
    copied.mkdir()
    for name in ("server.json", "credentials.json"):
        (copied / name).write_text((service.home / name).read_text())
    assert local_server.find(copied) is None


def test_older_idle_server_is_replaced_and_older_busy_one_is_told(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only an idle server is replaced; a busy one is an error that names the command."""
    service.write_home(version="0.0.9")
    service.answers["ListHyperParameterTuningJobs"] = lambda _: {"HyperParameterTuningJobSummaries": []}
    service.answers["ListTrainingJobs"] = lambda _: {
        "TrainingJobSummaries": [
            {
                "TrainingJobName": "x",
                "TrainingJobArn": "a",
                "CreationTime": 1,
                "TrainingJobStatus": "InProgress",
            }
        ]
    }
    commands: list[tuple[str, ...]] = []

    def run(home: Path, *arguments: str) -> str:
        commands.append(arguments)
        if arguments[0] == "start":
            service.write_home()
        return ""

    monkeypatch.setattr(local_server, "run_server_command", run)
    with pytest.raises(VersionMismatch, match="pegbox server stop"):
        _ = Session().target
    assert commands == []
    service.answers["ListTrainingJobs"] = lambda _: {"TrainingJobSummaries": []}
    assert Session().target.url == service.url
    assert commands == [("stop",), ("start", "--auto", "--json")]


@pytest.mark.parametrize(
    ("server", "mine", "older"),
    [("0.1.0", "0.1.0", False), ("0.9.9", "0.10.0", True), ("1.0", "0.9", False), ("0.1.0", "0.1.1", True)],
)
def test_versions_compare_by_number(server: str, mine: str, older: bool) -> None:
    """0.10 is newer than 0.9."""
    assert target.is_older(server, mine) is older


def test_failing_start_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the command wrote is in the error; a home that cannot be made names the remedy."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'no room' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(ServerError, match="exit code 3: no room"):
        local_server.start(tmp_path / "home")
    (tmp_path / "file").write_text("")
    with pytest.raises(HomeError, match="set PEGBOX_HOME to another"):
        local_server.start(tmp_path / "file" / "home")


def test_missing_access_key_is_told(service: FakeService) -> None:
    """An unreadable key file is an error that says whose it must be."""
    (service.home / "credentials.json").unlink()
    with pytest.raises(ServerError, match="no access key that this user can read"):
        _ = Session().target


def test_target_is_said_once(service: FakeService, capsys: pytest.CaptureFixture[str]) -> None:
    """Any number of sessions say the same target once, on standard error."""
    Session().announce_target()
    Session().announce_target()
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"pegbox: local server {service.url} (home {service.home})\n")


def test_roles(service: FakeService) -> None:
    """A role is optional here, an ARN stays, a bare name becomes one."""
    session = Session()
    assert session.expand_role(None) == get_execution_role(session) == "arn:aws:iam::000000000000:role/pegbox"
    assert session.expand_role("mine") == "arn:aws:iam::000000000000:role/mine"
    assert session.expand_role("arn:aws:iam::1:role/x") == "arn:aws:iam::1:role/x"
    assert session.get_caller_identity_arn() == "arn:aws:iam::000000000000:role/pegbox"
    assert service.requests == []


def test_aws_needs_a_role() -> None:
    """On AWS a missing role is an error before anything is sent."""
    import boto3

    session = Session(boto_session=boto3.Session("k", "s", region_name="us-east-1"))
    with pytest.raises(ValueError, match="role is missing"):
        session.expand_role(None)


def test_quiet_display_has_no_need_of_trials() -> None:
    """Waiting quietly does not list training jobs."""
    assert Quiet().wants_trials is False


def test_only_a_server_that_died_is_started_again(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A running server is left alone, a stopped one stays stopped, a killed one is started."""
    commands: list[tuple[str, ...]] = []

    def run(home: Path, *arguments: str) -> str:
        commands.append(arguments)
        service.write_home()
        return ""

    monkeypatch.setattr(local_server, "run_server_command", run)
    local_server.revive(service.home)
    local_server.revive(tmp_path)
    assert commands == []
    facts = json.loads((service.home / "server.json").read_text())
    (service.home / "server.json").write_text(json.dumps({**facts, "url": "http://127.0.0.1:9"}))
    local_server.revive(service.home)
    assert commands == [("start", "--auto", "--json")]


@pytest.mark.usefixtures("aws_settings")
def test_a_boto_session_after_env_reaches_the_local_server_as_ours(
    service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where AWS's variables lead every client to the local server, a given boto3 session means that server, too."""
    import boto3

    given = boto3.Session("ANOTHER", "secret", region_name="eu-west-1")
    assert not Session(boto_session=given).is_local
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", service.url)
    session = Session(boto_session=given)
    assert session.is_local
    assert described(service, session) == "PEGBOXKEY"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "https://sagemaker.example.org")
    assert not Session(boto_session=given).is_local
