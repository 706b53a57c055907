"""Master keys are kept for ever, found by every name AWS has for them, and refused with the reason."""

from __future__ import annotations

import sys
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pegbox.artifacts.keyring import Keyring
from pegbox.errors import HomeError, PegboxError
from pegbox.sealing import WrongKey

NOW = datetime(2026, 11, 24, tzinfo=timezone.utc)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """A keyring without keys."""
    return Keyring(tmp_path / "keys" / "keyring.json")


def _printing(text: str) -> list[str]:
    return [sys.executable, "-c", f"print({text!r})"]


def test_a_key_is_found_by_every_name(keyring: Keyring) -> None:
    """Id, name, alias, key ARN and alias ARN are the same key."""
    key = keyring.create("models", NOW)
    arn = keyring.arn(key)
    for name in (key.id, "models", "alias/models", arn, arn.split("key/")[0] + "alias/models"):
        assert keyring.check(name) is None
        data = keyring.new_data_key(name)
        assert keyring.unwrap(data.key_id, data.wrapped) == data


def test_keys_are_there_after_a_restart(keyring: Keyring, tmp_path: Path) -> None:
    """A new keyring over the same file unwraps what the old one wrapped; the file is the owner's only."""
    data = keyring.new_data_key(keyring.create("models", NOW).id)
    file = tmp_path / "keys" / "keyring.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert Keyring(file).unwrap(data.key_id, data.wrapped) == data
    assert Keyring(file).list() == keyring.list()


def test_unknown_and_disabled_keys_are_refused_with_the_remedy(keyring: Keyring) -> None:
    """A disabled key neither seals nor opens until it is enabled again; an unknown one lists the known."""
    key = keyring.create("models", NOW)
    data = keyring.new_data_key("models")
    assert "by name: models" in str(keyring.check("other"))
    keyring.enable("models", False)
    assert "pegbox keys enable models" in str(keyring.check(key.id))
    with pytest.raises(PegboxError, match="disabled"):
        keyring.new_data_key("models")
    with pytest.raises(PegboxError, match="disabled"):
        keyring.unwrap(key.id, data.wrapped)
    keyring.enable("alias/models", True)
    assert keyring.unwrap(key.id, data.wrapped) == data
    with pytest.raises(PegboxError, match="no such key"):
        keyring.enable("other", False)


def test_names_are_unique_and_plain(keyring: Keyring) -> None:
    """A name in use and a name that is none are refused, and no key is made."""
    keyring.create("models", NOW)
    for name in ("models", "alias/models", "", "a b", "x" * 251):
        with pytest.raises(PegboxError, match="choose another"):
            keyring.create(name, NOW)
    assert len(keyring.list()) == 1


def test_another_key_does_not_unwrap(keyring: Keyring) -> None:
    """What one key wrapped the other does not open."""
    data = keyring.new_data_key(keyring.create("one", NOW).id)
    with pytest.raises(WrongKey):
        keyring.unwrap(keyring.create("two", NOW).id, data.wrapped)


def test_a_command_hands_the_key_over(keyring: Keyring, tmp_path: Path) -> None:
    """A command's key is never written, is asked for again at the next start, and a failing command is told."""
    source = tmp_path / "source"
    source.write_text("ab" * 32)
    command = [sys.executable, "-c", f"print(open({str(source)!r}).read())"]
    data = keyring.new_data_key(keyring.create("vault", NOW, command).id)
    file = tmp_path / "keys" / "keyring.json"
    assert b"ab" * 32 not in file.read_bytes()
    again, told = Keyring(file), list[str]()
    assert "not asked yet" in str(again.check("vault"))
    again.load_commands(told.append)
    assert (again.unwrap(data.key_id, data.wrapped), told) == (data, [])
    source.unlink()
    later = Keyring(file)
    later.load_commands(told.append)
    assert "ended with 1" in told[0]
    assert "ended with 1" in str(later.check("vault"))
    source.write_text("ab" * 32)
    later.enable("vault", True)
    assert later.unwrap(data.key_id, data.wrapped) == data


@pytest.mark.parametrize("command", [_printing("short"), ["/nowhere/at/all"], _printing("zz" * 32)])
def test_a_command_without_a_key_makes_none(keyring: Keyring, command: list[str]) -> None:
    """A command that prints no key, or cannot run, makes no key, and what it printed is not told."""
    with pytest.raises(PegboxError) as caught:
        keyring.create("vault", NOW, command)
    assert "zz" * 32 not in str(caught.value)
    assert keyring.list() == ()


def test_a_damaged_keyring_is_refused_not_replaced(tmp_path: Path) -> None:
    """A file that cannot be read stops the start and stays as it is."""
    file = tmp_path / "keyring.json"
    file.write_text('{"keys": [{"id": "x"}]}')
    with pytest.raises(HomeError, match="restore it"):
        Keyring(file)
    assert file.read_text() == '{"keys": [{"id": "x"}]}'


def test_a_key_made_while_a_command_is_asked_stays(keyring: Keyring, tmp_path: Path) -> None:
    """Enabling a key waits for its command; what is made meanwhile is in the keyring afterwards, and on the disk."""
    asked, answer = tmp_path / "asked", tmp_path / "answer"
    answer.touch()
    program = (
        f"import pathlib, time\npathlib.Path({str(asked)!r}).touch()\n"
        f"while not pathlib.Path({str(answer)!r}).exists(): time.sleep(0.01)\nprint('ab' * 32)"
    )
    keyring.create("vault", NOW, [sys.executable, "-c", program])
    asked.unlink()
    answer.unlink()
    waiting = threading.Thread(target=keyring.enable, args=("vault", True))
    waiting.start()
    while not asked.exists():
        time.sleep(0.01)
    keyring.create("meanwhile", NOW)
    answer.touch()
    waiting.join()
    assert keyring.check("meanwhile") is None
    assert Keyring(tmp_path / "keys" / "keyring.json").check("meanwhile") is None
