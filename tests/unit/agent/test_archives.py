"""Unpacking code archives safely, and packing artifacts."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from pegbox.agent import archives, packing
from pegbox.agent.layout import Refusal


def member(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", data: bytes = b""
) -> tuple[tarfile.TarInfo, bytes]:
    """One entry of an archive."""
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    info.size = len(data)
    return info, data


def write(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> str:
    """An archive with these entries."""
    with tarfile.open(path, "w:gz") as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def nothing() -> None:
    """A tick."""


@pytest.mark.parametrize(
    "bad",
    [
        member("../out.py", data=b"x"),
        member("a/../../out.py", data=b"x"),
        member("/etc/out.py", data=b"x"),
        member("link", tarfile.SYMTYPE, "/etc/passwd"),
        member("link", tarfile.SYMTYPE, "../../etc/passwd"),
        member("hard", tarfile.LNKTYPE, "../../etc/passwd"),
        member("null", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
)
def test_what_must_not_be_unpacked(bad: tuple[tarfile.TarInfo, bytes], tmp_path: Path) -> None:
    """Names and links that lead out, devices and pipes are refused, and nothing is written outside."""
    archive = write(tmp_path / "a.tar.gz", member("train.py", data=b"x"), bad)
    target = tmp_path / "in" / "target"
    target.mkdir(parents=True)
    with pytest.raises(Refusal):
        archives.extract(archive, str(target), nothing)
    assert not (tmp_path / "in" / "out.py").exists()
    assert not (tmp_path / "out.py").exists()


def test_writing_through_a_link_is_impossible(tmp_path: Path) -> None:
    """A link to a folder that a later entry writes through does not lead out."""
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = write(
        tmp_path / "a.tar.gz",
        member("door", tarfile.SYMTYPE, str(outside)),
        member("door/evil.py", data=b"x"),
    )
    target = tmp_path / "target"
    target.mkdir()
    with pytest.raises(Refusal):
        archives.extract(archive, str(target), nothing)
    assert list(outside.iterdir()) == []


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that unpacks to more than the limits is refused."""
    archive = write(tmp_path / "a.tar.gz", member("zeros", data=bytes(2_000_000)))
    monkeypatch.setattr(archives.CODE, "size", 1_000_000)
    (tmp_path / "t").mkdir()
    with pytest.raises(Refusal, match="more than"):
        archives.extract(archive, str(tmp_path / "t"), nothing)


def test_bombs_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model archive may be large, but not a thousand times itself; a giant header is not read into memory."""
    archive = write(tmp_path / "a.tar.gz", member("zeros", data=bytes(3_000_000)))
    (tmp_path / "t").mkdir()
    archives.extract(archive, str(tmp_path / "t"), nothing, archives.MODEL)
    monkeypatch.setattr(archives.MODEL, "free", 1_000_000)
    (tmp_path / "u").mkdir()
    with pytest.raises(Refusal, match="model archive unpacks to more than"):
        archives.extract(archive, str(tmp_path / "u"), nothing, archives.MODEL)
    header = write(tmp_path / "h.tar.gz", member("long", b"L", data=bytes(archives.MAX_HEADER + 1)))
    with pytest.raises(Refusal, match="a header of"):
        archives.extract(header, str(tmp_path / "u"), nothing, archives.MODEL)


def test_links_that_lead_out_through_later_links(tmp_path: Path) -> None:
    """A link that is harmless until another one is made is found out, and nothing is written outside."""
    archive = write(
        tmp_path / "a.tar.gz",
        member("real.txt", data=b"x"),
        member("deep/er/door", tarfile.SYMTYPE, "../../via/../out"),
        member("via", tarfile.SYMTYPE, "."),
        member("deep/er/door/evil", tarfile.LNKTYPE, "real.txt"),
    )
    target = tmp_path / "in" / "t"
    target.mkdir(parents=True)
    (tmp_path / "in" / "out").mkdir()
    with pytest.raises(Refusal, match="outside of it"):
        archives.extract(archive, str(target), nothing)
    assert not list((tmp_path / "in" / "out").iterdir())


def test_damaged_archives(tmp_path: Path) -> None:
    """A truncated or foreign file is a refusal that names it."""
    good = Path(write(tmp_path / "a.tar.gz", member("train.py", data=os.urandom(5000))))
    for name, data in (("cut", good.read_bytes()[:-2000]), ("text", b"hello"), ("empty", b"")):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(Refusal, match=name):
            archives.unpacked(str(path), str(tmp_path / "cache"), nothing)
    with pytest.raises(Refusal, match="cannot be read"):
        archives.unpacked(str(tmp_path / "missing"), str(tmp_path / "cache"), nothing)


def test_unpacked_once_per_content(tmp_path: Path) -> None:
    """The same bytes under two names share one unpacked folder, with links and modes, and a note on /opt/ml."""
    entries = (
        member("run.sh", data=b"#!/bin/sh\n"),
        member("pkg/data.txt", data=b"see /opt/ml/model"),
        member("pkg/link", tarfile.SYMTYPE, "data.txt"),
        member("hard", tarfile.LNKTYPE, "pkg/data.txt"),
    )
    entries[0][0].mode = 0o755
    first = write(tmp_path / "a.tar.gz", *entries)
    second = tmp_path / "b.tar.gz"
    second.write_bytes(Path(first).read_bytes())
    cache = str(tmp_path / "cache")
    tree, facts = archives.unpacked(first, cache, nothing)
    assert archives.unpacked(str(second), cache, nothing) == (tree, facts)
    assert facts["opt_ml"] is True
    copy = tmp_path / "copy"
    copy.mkdir()
    archives.copy_tree(tree, str(copy), nothing)
    assert os.access(copy / "run.sh", os.X_OK)
    assert not os.access(copy / "pkg" / "data.txt", os.X_OK)
    assert os.readlink(copy / "pkg" / "link") == "data.txt"
    assert (copy / "hard").read_bytes() == b"see /opt/ml/model"


def test_packing_is_deterministic_and_complete(tmp_path: Path) -> None:
    """Two folders with the same content give the same bytes; links out are followed, loops and sockets are not."""
    packed = []
    (tmp_path / "outside").write_bytes(b"from outside")
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "w.bin").write_bytes(bytes(range(256)) * 100)
        (folder / "inside").symlink_to("sub/w.bin")
        (folder / "out").symlink_to(tmp_path / "outside")
        (folder / "sub" / "loop").symlink_to(folder)
        (folder / "broken").symlink_to("nowhere-outside/../../x")
        os.mkfifo(folder / "pipe")
        notices: list[str] = []
        result = packing.pack(str(folder), str(tmp_path / f"{name}.tar.gz"), nothing, notices.append)
        assert Path(result["staged"]).stat().st_size == result["size"]
        assert archives.content_hash(result["staged"]) == result["sha256"]
        assert any("pipe" in text for text in notices)
        packed.append(result["sha256"])
    assert packed[0] == packed[1]
    with tarfile.open(tmp_path / "one.tar.gz") as tar:
        names = {info.name: info for info in tar}
        assert names["inside"].issym()
        assert tar.extractfile("out").read() == b"from outside"  # type: ignore[union-attr]
        assert {info.mtime for info in names.values()} == {0}


def test_an_empty_folder_is_an_empty_archive(tmp_path: Path) -> None:
    """A program that writes no model leaves an archive that every tool can read."""
    (tmp_path / "model").mkdir()
    result = packing.pack(str(tmp_path / "model"), str(tmp_path / "m.tar.gz"), nothing, print)
    with tarfile.open(result["staged"]) as tar:
        assert tar.getnames() == []
