"""The home folder: permissions, private files, port, and who lives."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pegbox.bootstrap.home import Home, facts_of_this_process, write_private
from pegbox.errors import HomeError, PortTaken


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A prepared home, made under the laxest umask."""
    before = os.umask(0)
    try:
        made = Home(tmp_path / "home")
        made.prepare()
        yield made
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_everything_is_closed_to_others_whatever_the_umask(home: Home) -> None:
    """Folders are 0700 and key files 0600 even where the umask forbids nothing."""
    home.make_credentials("us-east-1")
    home.make_secret()
    home.listen("127.0.0.1", 0).close()
    for path in home.path.rglob("*"):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    assert mode(home.path) == 0o700


def test_a_home_left_open_is_closed_at_the_next_start(home: Home) -> None:
    """Permissions that someone loosened are tightened again."""
    home.make_credentials("us-east-1")
    home.path.chmod(0o755)
    (home.path / "credentials.json").chmod(0o644)
    home.prepare()
    home.make_credentials("us-east-1")
    assert (mode(home.path), mode(home.path / "credentials.json")) == (0o700, 0o600)


def test_keys_are_made_once(home: Home) -> None:
    """Another start keeps key and secret; another region changes only the region."""
    first, secret = home.make_credentials("us-east-1"), home.make_secret()
    again = home.make_credentials("eu-west-1")
    assert home.make_secret() == secret
    assert replace(again, region="us-east-1") == first
    assert len(secret) == 32
    assert len(first.secret_access_key) == 40


@pytest.mark.parametrize("name", ["credentials.json", "secret", "port"])
def test_damaged_files_are_refused_and_left(home: Home, name: str) -> None:
    """A damaged key or port file is an error that names it, never silently replaced."""
    file = home.path / name
    file.write_text("damaged")
    with pytest.raises(HomeError, match=name):
        {
            "credentials.json": lambda: home.make_credentials("us-east-1"),
            "secret": home.make_secret,
            "port": lambda: home.listen("127.0.0.1", 0),
        }[name]()
    assert file.read_text() == "damaged"


def test_the_port_is_chosen_once(home: Home) -> None:
    """The port stays the same for ever; the setting replaces it."""
    with home.listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
    with home.listen("127.0.0.1", 0) as second:
        assert second.getsockname()[1] == port
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        other = free.getsockname()[1]
    with home.listen("127.0.0.1", other) as third:
        assert third.getsockname()[1] == other


def test_a_port_taken_by_a_stranger_is_an_error(home: Home) -> None:
    """The server says who to ask, and does not move."""
    with home.listen("127.0.0.1", 0) as mine:
        port = mine.getsockname()[1]
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        with pytest.raises(PortTaken, match=f"port {port} .* used by another program"):
            home.listen("127.0.0.1", 0)
    assert (home.path / "port").read_text() == f"{port}\n"


def test_only_a_living_process_of_this_boot_counts(home: Home) -> None:
    """A server.json of a dead process, of a recycled pid or of an earlier boot is not believed."""
    facts = facts_of_this_process(home, "http://127.0.0.1:1", version="1", account="0", region="r")
    home.write_facts(facts)
    assert home.running() == facts
    home.write_facts(replace(facts, start_time=facts.start_time - 10))
    assert home.running() is None
    home.write_facts(replace(facts, boot_id="another"))
    assert home.running() is None
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    home.write_facts(replace(facts, pid=child.pid))
    child.wait()
    assert home.running() is None
    home.remove_facts()
    home.remove_facts()
    assert home.running() is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"url": 1}', "null"])
def test_a_broken_server_json_means_no_server(home: Home, text: str) -> None:
    """Whatever stands in server.json, reading it does not fail."""
    (home.path / "server.json").write_text(text)
    assert home.running() is None


def test_a_failed_write_leaves_the_old_file(home: Home) -> None:
    """A private file is replaced whole or not at all, and no temporary file stays."""
    file = home.path / "x"
    write_private(file, b"old")
    (home.path / "folder").mkdir()
    with pytest.raises(HomeError):
        write_private(home.path / "folder", b"new")
    write_private(file, b"new")
    assert file.read_bytes() == b"new"
    assert [path.name for path in home.path.iterdir() if path.name.startswith(".")] == []


def test_a_file_in_the_homes_place_is_told(tmp_path: Path) -> None:
    """A path that is a file is an error with the remedy."""
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeError, match="not a folder"):
        Home(tmp_path / "home").prepare()


def test_sockets_of_long_homes_lie_elsewhere(tmp_path: Path) -> None:
    """A Unix socket's address is short: a long home has its socket in a folder of ours under /tmp."""
    short, long = Home(Path("/tmp/h")), Home(tmp_path / ("x" * 120))
    assert short.agents_socket() == Path("/tmp/h/run/agents.sock")
    path = long.agents_socket()
    assert len(os.fsencode(path)) <= 100
    assert mode(path.parent) == 0o700
    assert path == Home(tmp_path / ("x" * 120)).agents_socket()
    path.parent.rmdir()


def test_facts_are_plain_json(home: Home) -> None:
    """server.json has the names that clients read."""
    home.write_facts(facts_of_this_process(home, "http://127.0.0.1:1", version="1", account="0", region="r"))
    data = json.loads((home.path / "server.json").read_text())
    assert {
        "url",
        "pid",
        "start_time",
        "boot_id",
        "version",
        "home",
        "account",
        "region",
        "bucket",
        "runtime_url",
    } == set(data)
