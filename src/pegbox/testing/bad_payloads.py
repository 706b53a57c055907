"""Sends bad payloads to a served scikit-learn-like model and to the gateway's socket: nothing may hang, crash or answer 5xx.

Run ``python -m pegbox.testing.bad_payloads --count 10000``. A payload may be broken text, JSON, NumPy or Parquet bytes, a
pickle, far too deep or too large; headers may be wrong, signatures too, and the bytes need not be HTTP. The answers allowed are
4xx (a ModelError is 424) and, for payloads that happen to mean something, 200. No process may have been replaced in the end.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import pickle
import random
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pegbox.testing.lab import Lab
from pegbox.testing.serving_lab import Caller, deploy, processes, runtime_url, signed

NAME = "bad"
#: Seconds within which every answer must be there.
ANSWER_SECONDS = 65.0
#: A model over the toolkit's own readers of content types, which is where bad payloads hurt.
SCRIPT = """
import numpy
def model_fn(folder):
    return numpy.ones(4)
def predict_fn(data, model):
    return numpy.asarray(data, dtype=float).reshape(-1, 4) @ model
"""
TYPES = (
    "text/csv", "application/json", "application/x-npy", "application/x-npz", "application/octet-stream", "text/libsvm",
    "application/x-parquet", "application/x-recordio-protobuf", "application/jsonlines", "x/" + "y" * 900, "", "nonsense",
)  # fmt: skip


@dataclass
class Verdict:
    """What came of it.

    Attributes:
        answers: Answers by status and error type.
        faults: What may not happen.
        slowest: Slowest answer in seconds.
    """

    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest: float = 0.0

    def summary(self) -> str:
        """Return the figures as lines of text."""
        lines = [f"{number:6d}  {words}" for words, number in self.answers.most_common()]
        lines.append(f"slowest answer {self.slowest:.2f} s; {len(self.faults)} faults")
        return "\n".join([*lines, *self.faults[:30]])


def payload(rng: random.Random) -> bytes:
    """Return one bad payload."""
    return rng.choice(_PAYLOADS)(rng)


def _noise(rng: random.Random) -> bytes:
    return rng.randbytes(rng.choice((0, 1, 7, 100, 5000)))


def _text(rng: random.Random) -> bytes:
    letters = [
        "1",
        ",",
        "\n",
        ".",
        "e",
        "-",
        " ",
        '"',
        "nan",
        "inf",
        "\x00",
        "ä",
        "\ud7ff",
        "1e999",
        ";",
        "\r",
    ]
    return "".join(rng.choice(letters) for _ in range(rng.randrange(200))).encode()


def _json(rng: random.Random) -> bytes:
    texts: list[Callable[[], str]] = [
        lambda: "[" * rng.choice((10, 1000, 100_000)),
        lambda: "[" * 500 + "]" * 500,
        lambda: '{"instances": [[1, 2, "x"]]}',
        lambda: "[[1,2,3,4],[1]]",
        lambda: "9" * 5000,
        lambda: '{"a": ' * 300 + "1" + "}" * 300,
        lambda: "[NaN, Infinity, -Infinity, 1e400]",
        lambda: '"' + "\\ud800" * 10 + '"',
        lambda: "null",
        lambda: json.dumps({str(number): number for number in range(rng.randrange(1000))}),
        lambda: json.dumps(
            [[rng.random() for _ in range(rng.randrange(8))] for _ in range(rng.randrange(5))]
        ),
    ]
    text = rng.choice(texts)().encode()
    return text[: rng.randrange(len(text) + 1)] if rng.random() < 0.3 else text


def _numpy(rng: random.Random) -> bytes:
    header = rng.choice(
        [
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }",
            "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }",
            "__import__('os').kill(0, 9)",
            "{" * 200,
            "{'descr': [('a', '<f8')], 'fortran_order': True, 'shape': (2, 2), }",
        ]
    )
    text = header.encode().ljust(118) + b"\n"
    body = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + rng.randbytes(rng.choice((0, 8, 32)))
    return body[: rng.randrange(len(body) + 1)] if rng.random() < 0.3 else body


class _Harm:
    """A pickle that ends the process that opens it."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[int]]:
        import os

        return os._exit, (13,)


def _pickle(rng: random.Random) -> bytes:
    harm = pickle.dumps(_Harm())
    if rng.random() < 0.5:
        return harm
    text = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }".ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + harm


def _archive(rng: random.Random) -> bytes:
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            rng.choice(("a.npy", "../../x", "a" * 300)), _numpy(rng) + b"\0" * rng.choice((0, 10**6))
        )
    data = packed.getvalue()
    return data[: rng.randrange(len(data))] if rng.random() < 0.5 else data


def _magic(rng: random.Random) -> bytes:
    start = rng.choice(
        (b"PAR1", struct.pack("<I", 0xCED7230A), b"\x1f\x8b\x08", b"PK\x03\x04", b"BZh9", b"\xef\xbb\xbf")
    )
    return start + rng.randbytes(rng.randrange(100)) + (b"PAR1" if rng.random() < 0.3 else b"")


def _large(rng: random.Random) -> bytes:
    return rng.choice((b"1," * 500_000, b"[" + b"1," * 300_000 + b"1]", b"\n" * 300_000))


_PAYLOADS = (_noise, _text, _json, _numpy, _pickle, _archive, _magic, _text, _json, _noise) * 4 + (_large,)


def _headers(rng: random.Random) -> dict[str, str]:
    headers = {
        "Content-Type": rng.choice(TYPES),
        "Accept": rng.choice((*TYPES, "*/*", "text/csv, application/json")),
    }
    if rng.random() < 0.1:
        name = rng.choice(
            ("Custom-Attributes", "Inference-Id", "Target-Variant", "Target-Model", "Session-Id", "Accept")
        )
        headers[f"X-Amzn-SageMaker-{name}"] = "".join(
            chr(rng.randrange(33, 127)) for _ in range(rng.choice((1, 64, 1100)))
        )
    return {name: value for name, value in headers.items() if value}


def _raw(rng: random.Random, host: str, port: int) -> str:
    """Send bytes that are hardly HTTP and return what comes of it."""
    head = rng.choice(
        (
            b"POST /endpoints/bad/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nshort",
            b"POST /endpoints/bad/invocations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"POST /endpoints/bad/invocations HTTP/9.9\r\n\r\n",
            b"GET http://evil/ HTTP/1.1\r\nHost: evil\r\n\r\n",
            b"POST /endpoints/%00%ff/invocations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        )
    )
    if rng.random() < 0.3:
        place = rng.randrange(len(head))
        head = head[:place] + rng.randbytes(3) + head[place + 1 :]
    with socket.create_connection((host, port), timeout=ANSWER_SECONDS) as connection:
        connection.sendall(head)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
    return answer[9:12].decode("latin-1") if answer else "closed"


class _Sender(threading.Thread):
    """Sends a share of the payloads."""

    def __init__(
        self, lab: Lab, rng: random.Random, count: int, verdict: Verdict, lock: threading.Lock
    ) -> None:
        super().__init__()
        self._lab, self._rng, self._count, self._verdict, self._lock = lab, rng, count, verdict, lock

    def run(self) -> None:
        url = f"{runtime_url(self._lab)}/endpoints/{NAME}/invocations"
        host, _, port = runtime_url(self._lab).removeprefix("http://").rpartition(":")
        caller = Caller(url, ANSWER_SECONDS)
        for _ in range(self._count):
            began = time.monotonic()
            try:
                if self._rng.random() < 0.1:
                    words, status = "raw bytes", _raw(self._rng, host, int(port))
                else:
                    words, status = self._call(caller, url)
            except (OSError, http.client.HTTPException) as error:
                words, status = f"no answer: {type(error).__name__}: {error}", "none"
            self._note(words, status, time.monotonic() - began)
        caller.close()

    def _call(self, caller: Caller, url: str) -> tuple[str, str]:
        body = payload(self._rng)
        headers = signed(self._lab, url, body, _headers(self._rng))
        if self._rng.random() < 0.05:
            headers["Authorization"] = headers["Authorization"][:-1] + "!"
        status, code, _ = caller.call(body, headers)
        return code, str(status)

    def _note(self, words: str, status: str, seconds: float) -> None:
        with self._lock:
            self._verdict.answers[f"{status} {words}".strip()] += 1
            self._verdict.slowest = max(self._verdict.slowest, seconds)
            if not status.startswith(("2", "4")) and status != "closed":
                self._verdict.faults.append(f"{status} {words}")


def run(count: int, seed: int, threads: int = 4) -> Verdict:
    """Send ``count`` bad payloads drawn from ``seed`` and return the verdict."""
    verdict = Verdict()
    with Lab() as lab:
        lab.start()
        deploy(lab, NAME, script=SCRIPT)
        before = _living(lab)
        lock = threading.Lock()
        senders = [
            _Sender(lab, random.Random(f"{seed}-{number}"), count // threads, verdict, lock)
            for number in range(threads)
        ]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join()
        after = _living(lab)
        if before != after:
            verdict.faults.append(f"processes were replaced: {before} before, {after} after")
        caller = Caller(f"{runtime_url(lab)}/endpoints/{NAME}/invocations")
        url, body = f"{runtime_url(lab)}/endpoints/{NAME}/invocations", b"[[1, 2, 3, 4]]"
        status, _, answer = caller.call(body, signed(lab, url, body, {"Content-Type": "application/json"}))
        caller.close()
        if status != 200 or json.loads(answer) != [10.0]:
            verdict.faults.append(f"a good payload is answered {status}: {answer[:200]!r}")
    return verdict


def _living(lab: Lab) -> dict[str, list[int]]:
    found = processes(lab)
    return {kind: sorted(item.pid for item in found[kind]) for kind in ("server", "gateway", "model servers")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; exit status 1 when something hung, crashed or answered 5xx."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20261124)
    given = parser.parse_args(arguments)
    print(f"{given.count} bad payloads, seed {given.seed}", flush=True)
    verdict = run(given.count, given.seed)
    print(verdict.summary())
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
