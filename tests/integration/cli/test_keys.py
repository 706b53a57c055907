"""The commands on master keys, against a real server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pegbox.sealing import DataKey, RecordSealer, new_data_key, seal


def _keys(server: Any) -> dict[str, Any]:
    return {key["name"]: key for key in json.loads(server.pegbox("keys", "list", "--json").stdout)["keys"]}


def test_a_key_is_made_listed_disabled_and_enabled(server: Any) -> None:
    """Each command does what it says, and what it says about a key is true at the next call."""
    assert "alias/first" in server.pegbox("keys", "create", "first").stdout
    assert _keys(server)["first"]["state"] == "Enabled"
    server.pegbox("keys", "disable", "first")
    assert _keys(server)["first"]["state"] == "Disabled"
    server.pegbox("keys", "enable", "alias/first")
    assert _keys(server)["first"]["usable"]


def test_a_sealed_file_is_opened_with_the_key_of_a_command(server: Any, tmp_path: Path) -> None:
    """keys open writes the plaintext, whole; a damaged file leaves nothing behind, and says so."""
    printing = [sys.executable, "-c", "print('ab' * 32)"]
    key_id = json.loads(server.pegbox("keys", "create", "vault", "--json", "--", *printing).stdout)["id"]
    data_key: DataKey = new_data_key(b"\xab" * 32, key_id)
    sealed, plain = tmp_path / "model.tar.gz", tmp_path / "plain"
    with (tmp_path / "source").open("wb+") as source, sealed.open("wb") as target:
        source.write(b"weights" * 100_000)
        source.seek(0)
        seal(source, target, data_key)
    server.pegbox("keys", "open", str(sealed), str(plain))
    assert plain.read_bytes() == b"weights" * 100_000
    sealed.write_bytes(sealed.read_bytes()[:-1])
    failed = server.pegbox("keys", "open", str(sealed), str(tmp_path / "other"), check=False)
    assert failed.returncode == 1
    assert "changed or cut off" in failed.stderr
    assert sorted(item.name for item in tmp_path.iterdir()) == ["model.tar.gz", "plain", "source"]


def test_captured_files_are_opened_cut_or_by_the_folder(server: Any, tmp_path: Path) -> None:
    """A cut file is opened up to its last record and told; a damaged one only on demand; a folder at once, with its names."""
    printing = [sys.executable, "-c", "print('cd' * 32)"]
    key_id = json.loads(server.pegbox("keys", "create", "capture", "--json", "--", *printing).stdout)["id"]
    sealer = RecordSealer(new_data_key(b"\xcd" * 32, key_id))
    pieces = [sealer.head, sealer.chunk(b"one\n"), sealer.chunk(b"two\n"), sealer.chunk(b"", last=True)]
    folder = tmp_path / "captured" / "2026"
    folder.mkdir(parents=True)
    (folder / "whole.jsonl").write_bytes(b"".join(pieces))
    (folder / "cut.jsonl").write_bytes(b"".join(pieces[:3])[:-1])
    (folder / "plain.jsonl").write_text("in the clear")
    ran = server.pegbox("keys", "open", str(tmp_path / "captured"), str(tmp_path / "opened"))
    assert "2 files" in ran.stdout
    assert "cut.jsonl has no end" in ran.stderr
    found = {path.name: path.read_text() for path in (tmp_path / "opened" / "2026").iterdir()}
    assert found == {"whole.jsonl": "one\ntwo\n", "cut.jsonl": "one\n"}
    (folder / "changed.jsonl").write_bytes(b"".join([*pieces[:2], pieces[3]]))
    arguments = ("keys", "open", str(folder / "changed.jsonl"), str(tmp_path / "part"))
    failed = server.pegbox(*arguments, check=False)
    assert failed.returncode == 1
    assert "chunk 2 of this sealed file was changed, or chunks were left out" in failed.stderr
    assert not (tmp_path / "part").exists()
    assert "chunk 2" in server.pegbox(*arguments, "--part").stderr
    assert (tmp_path / "part").read_text() == "one\n"
    (folder / "clear").mkdir()
    failed = server.pegbox("keys", "open", str(folder / "clear"), str(tmp_path / "none"), check=False)
    assert "has no sealed files" in failed.stderr
