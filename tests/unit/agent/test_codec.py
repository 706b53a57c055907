"""JSON and frames."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from pegbox.agent import codec
from pegbox.agent.codec import FrameBuffer, FrameError, encode_frame


def test_fast_and_plain_codecs_agree() -> None:
    """The C accelerators give exactly what ``json`` gives."""
    plain_dump, plain_load = codec._plain_codec()
    fast_dump, fast_load = codec._fast_codec()
    for value in ({"b": [1, 2.5, None, True], "a": 'é"\\\n\u2028'}, [], {}, "x", 1e300, {"n": {"m": [[]]}}):
        assert fast_dump(value) == plain_dump(value)
        assert fast_load(json.dumps(value, indent=2)) == plain_load(json.dumps(value))


@pytest.mark.parametrize("text", ["", "{", "[1,]", "nul", "1 2", '{"a":}', "[" * 100_000])
def test_what_is_not_json_is_a_value_error(text: str) -> None:
    """Nothing but ValueError comes out of bad JSON, however deep."""
    with pytest.raises(ValueError):
        codec.load(text)


def test_frames_cut_anywhere() -> None:
    """Frames are found again whatever the pieces they arrive in."""
    messages = [{"type": "a", "n": n, "text": "x" * n} for n in (0, 1, 500)]
    data = b"".join(encode_frame(message) for message in messages)
    for size in (1, 2, 3, 7, len(data)):
        buffer = FrameBuffer()
        found = []
        for start in range(0, len(data), size):
            found += buffer.feed(data[start : start + size])
        assert found == messages


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        (4).to_bytes(4, "big") + b"nope",
        (2).to_bytes(4, "big") + b"[]",
        (8).to_bytes(4, "big") + b'{"type":',
        (2).to_bytes(4, "big") + b"\xff\xfe",
    ],
)
def test_bad_frames_are_refused(data: bytes) -> None:
    """A stranger's bytes are a FrameError, never anything else."""
    with pytest.raises(FrameError):
        FrameBuffer().feed(data)


def test_a_frame_has_a_limit() -> None:
    """A message that no receiver would take is not sent."""
    with pytest.raises(FrameError):
        encode_frame({"type": "x", "text": "x" * codec.MAX_FRAME})


def test_the_agent_imports_next_to_nothing() -> None:
    """On the way to the program's start nothing slow is imported, and nothing of Pegbox outside the agent."""
    program = (
        "import sys\n"
        f"light = type(sys)('pegbox'); light.__path__ = [{str(codec.__file__).rsplit('/', 2)[0]!r}]\n"
        "sys.modules['pegbox'] = light\n"
        "import pegbox.agent.driver\n"
        "print(' '.join(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    slow = {
        "json",
        "re",
        "subprocess",
        "typing",
        "dataclasses",
        "socket",
        "enum",
        "ctypes",
        "tarfile",
        "hashlib",
    }
    assert not loaded & slow
    assert all(
        name == "pegbox" or name.startswith("pegbox.agent") for name in loaded if name.startswith("pegbox")
    )
