"""Reading logs and archives, whatever is in them."""

from __future__ import annotations

import contextlib
import io
import tarfile
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.agent import archives, tail
from pegbox.agent.codec import FrameBuffer, FrameError, dump, encode_frame, load
from pegbox.agent.layout import Refusal
from pegbox.agent.scriptmode import decode_hyperparameter

PIECES = st.lists(st.sampled_from([b"a", b"\n", b"\r", b"\r\n", b"line\n", b"x" * 40, b"\xe9"]), max_size=30)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=200)
@given(PIECES, st.integers(1, 12))
def test_lines_do_not_depend_on_how_a_log_grows(pieces: list[bytes], first: int) -> None:
    """One read of everything, a read per write, and a second agent that goes on in the middle give the same lines."""
    data = b"".join(pieces)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        log.write_bytes(data)
        whole = tail.LogTail(folder)
        expected = whole.read()[0] + whole.rest()
        whole.close()
        log.write_bytes(b"")
        growing, found = tail.LogTail(folder), b""
        for number, piece in enumerate(pieces):
            with log.open("ab") as stream:
                stream.write(piece)
            found += growing.read()[0]
            if number == first:
                growing.close()
                growing = tail.LogTail(folder, growing.offset)
        found += growing.read()[0] + growing.rest()
        growing.close()
        assert found == expected


@given(JSON)
def test_json_round_trip(value: object) -> None:
    """What is dumped is loaded."""
    assert load(dump(value)) == value


@given(st.binary(max_size=200))
def test_no_bytes_break_the_frame_buffer(data: bytes) -> None:
    """Any bytes are messages, a wait for more, or a FrameError."""
    try:
        FrameBuffer().feed(data)
    except FrameError:
        return


@given(st.lists(st.dictionaries(st.text(max_size=5), JSON, max_size=3), max_size=4), st.integers(1, 9))
def test_frames_round_trip(contents: list[dict[str, object]], step: int) -> None:
    """Messages arrive as they were sent, however they are cut."""
    messages = [{**content, "type": "t"} for content in contents]
    data = b"".join(encode_frame(message) for message in messages)
    buffer, found = FrameBuffer(), []
    for start in range(0, len(data), step):
        found += buffer.feed(data[start : start + step])
    assert found == messages


@given(st.text(max_size=20), st.integers(0, 4))
def test_categoricals_survive_any_number_of_encodings(text: str, times: int) -> None:
    """A text that clients have quoted any number of times comes out as one text, unquoted."""
    encoded = dump(text)
    for _ in range(times):
        encoded = dump(encoded)
    decoded = decode_hyperparameter(encoded)
    quoted = len(text) >= 2 and text[0] == text[-1] == '"'
    assert quoted or decoded == text


NAMES = st.lists(st.sampled_from(["a", "b", "..", ".", "", "c.py"]), min_size=1, max_size=4).map("/".join)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE]
)


@settings(max_examples=150)
@given(st.lists(st.tuples(NAMES, KINDS, NAMES), max_size=6))
def test_no_archive_reaches_outside(entries: list[tuple[str, bytes, str]]) -> None:
    """Whatever names, links and kinds an archive mixes, nothing appears outside its folder and no link leads out."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "deep", "er")
        root.mkdir(parents=True)
        path = Path(folder, "a.tar")
        with tarfile.open(path, "w") as tar:
            for name, kind, target in entries:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                info.size = 1 if kind == tarfile.REGTYPE else 0
                tar.addfile(info, io.BytesIO(b"x"))
        with contextlib.suppress(Refusal):
            archives.extract(str(path), str(root), lambda: None)
        assert sorted(item.name for item in Path(folder).iterdir()) == ["a.tar", "deep"]
        assert [item.name for item in Path(folder, "deep").iterdir()] == ["er"]
        for item in root.rglob("*"):
            if item.is_symlink() and item.exists():
                assert item.resolve().is_relative_to(root.resolve())
