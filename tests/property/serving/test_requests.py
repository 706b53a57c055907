"""Whatever a client sends, it is parsed the same however it is cut, or refused with a 4xx or 5xx; the server lives on."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pegbox.serving import builtin, formats
from pegbox.serving.messages import BadRequest, RequestReader
from pegbox.testing.model_servers import RunningServer, ask

MOST = 1000

REQUESTS = st.lists(
    st.one_of(
        st.builds(
            lambda body: b"POST /invocations HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body),
            st.binary(max_size=50),
        ),
        st.builds(
            lambda parts: (
                b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
                + b"0\r\n\r\n"
            ),
            st.lists(st.binary(min_size=1, max_size=20), max_size=4),
        ),
        st.just(b"GET /ping HTTP/1.1\r\nA: b\r\n\r\n"),
        st.just(b"GET /ping HTTP/1.0\r\n\r\n"),
    ),
    max_size=4,
).map(b"".join)
TWISTED = st.builds(
    lambda data, place, noise: data[: place % (len(data) + 1)] + noise + data[place % (len(data) + 1) :],
    REQUESTS,
    st.integers(0, 500),
    st.one_of(
        st.binary(max_size=10),
        st.sampled_from([b"\r\n", b"\0", b":", b"Content-Length: 5\r\n", b"HTTP/9.9", b" "]),
    ),
)


def assert_refusal(bad: BadRequest) -> None:
    """A refusal has a status of HTTP's errors."""
    assert 400 <= bad.status <= 599


def _parsed(data: bytes, cuts: list[int]) -> list[object]:
    """What a reader makes of bytes that arrive in pieces."""
    reader, start = RequestReader(MOST), 0
    found: list[object] = []
    try:
        for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
            reader.feed(data[start:cut])
            start = max(start, cut)
            while (request := reader.next()) is not None:
                found.append(
                    (request.method, request.path, request.headers, request.body, request.keep_alive)
                )
    except BadRequest as bad:
        assert_refusal(bad)
        found.append(bad.status)
    return found


@given(st.one_of(REQUESTS, TWISTED, st.binary(max_size=300)), st.lists(st.integers(0, 1000), max_size=6))
def test_cuts_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """However bytes are cut into pieces, the same requests come out, or the same refusal."""
    assert _parsed(data, cuts) == _parsed(data, [])


KINDS = st.sampled_from(
    [*formats._READERS, "text/csv; charset=x", "", "x/y", ";", "application/x-recordio-protobuf"]
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["instances", "features", "data", "values", "keys", "shape"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode()),
    st.sampled_from(
        [
            b"1,2\n",
            b"1:2 3:4\n",
            b"99999999999:1",
            b"[[1],[2,3]]",
            b"[" * 5000,
            b"\x93NUMPY\x01\x00",
            b"PK\x03\x04",
        ]
    ),
)


@given(BODIES, KINDS)
def test_bodies_are_decoded_or_refused(body: bytes, kind: str) -> None:
    """The default ``input_fn`` and the algorithms' reader raise their own errors only."""
    with contextlib.suppress(formats.UnsupportedFormat, formats.BadContent):
        formats.decode(body, kind)
    shape = None
    try:
        shape = builtin.read(body, kind).shape
    except builtin.Refused as refused:
        status = refused.status_code
    assert len(shape) == 2 if shape is not None else status in (400, 415)


@given(
    st.text(max_size=40) | st.sampled_from(["*/*", "text/csv;q=x, */*", ",,", "application/json, */*;q=0.1"])
)
def test_accepts_are_answered_or_refused(accept: str) -> None:
    """Any Accept header leads to a known type or to the error that lists them."""
    try:
        body, kind = formats.encode([[1.5, "a,b"], [2, None]], accept)
    except formats.UnsupportedFormat:
        return
    assert body
    assert kind in formats._WRITERS


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A model server that answers what it decoded."""
    place = Path(tempfile.mkdtemp(prefix="pbx", dir="/tmp"))
    script = "def model_fn(d):\n    return 1\ndef predict_fn(data, model):\n    return data\n"
    server = RunningServer(place, {"code/inference.py": script})
    yield server
    server.close()
    shutil.rmtree(place, ignore_errors=True)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.one_of(TWISTED, st.binary(max_size=300)), half=st.booleans())
def test_raw_bytes_never_end_the_server(server: RunningServer, data: bytes, half: bool) -> None:
    """Any bytes on a connection are answered with whole answers or not at all; the next client is served."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(20)
        channel.connect(server.path)
        channel.sendall(data)
        if half:
            channel.shutdown(socket.SHUT_WR)
            seen = b""
            while part := _received(channel):
                seen += part
            assert not seen or seen.startswith(b"HTTP/1.1 ")
    assert server.process.poll() is None


def _received(channel: socket.socket) -> bytes:
    try:
        return channel.recv(65536)
    except ConnectionError:
        return b""


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(body=BODIES, kind=KINDS.filter(bool))
def test_bad_payloads_are_answered(server: RunningServer, body: bytes, kind: str) -> None:
    """Any body of any type gets an answer: 200 or 500, never silence, and the server goes on."""
    status, text, _ = ask(server.path, body, kind)
    assert status in (200, 500)
    assert text
    assert server.process.poll() is None


def test_an_archive_that_inflates_to_too_much_is_refused_before_it_is_read() -> None:
    """A small NPZ body that says it holds gigabytes is refused with the bound, and nothing of it is inflated."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as entry:
        for _ in range(17):
            entry.write(bytes(1 << 26))
    assert len(packed.getvalue()) < 2 << 20
    with pytest.raises(formats.BadContent, match="at most 1073741824"):
        formats.decode(packed.getvalue(), "application/x-npz")
