"""``pegbox invoke``: a request to an endpoint, and its answer."""

from __future__ import annotations

import mimetypes
import sys
from pathlib import Path

from pegbox.cli.context import connect
from pegbox.cli.output import print_json
from pegbox.errors import PegboxError

#: MIME types that the standard library does not know, by a file's ending.
_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".libsvm": "text/libsvm",
    ".npy": "application/x-npy",
    ".npz": "application/x-npz",
    ".parquet": "application/x-parquet",
    ".pbr": "application/x-recordio-protobuf",
    ".txt": "text/plain",
}


def invoke(
    endpoint: str,
    file: str,
    content_type: str | None,
    accept: str | None,
    target_variant: str | None,
    as_json: bool,
) -> None:
    """Send a file, or what is read from standard input, and print the answer."""
    if file == "-":
        body = sys.stdin.buffer.read()
    else:
        try:
            body = Path(file).read_bytes()
        except OSError as error:
            raise PegboxError(f"--file {file}: {error.strerror}") from error
    headers = {
        "Content-Type": content_type or _type_of(file, body),
        "Accept": accept or "*/*",
        "X-Amzn-SageMaker-Target-Variant": target_variant,
    }
    answer = connect().invoke(endpoint, body, {name: text for name, text in headers.items() if text})
    if as_json:
        print_json(
            {
                "content_type": answer.content_type,
                "variant": answer.variant,
                "body": answer.body.decode("utf-8", "replace"),
            }
        )
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(answer.body)
    if sys.stdout.isatty() and not answer.body.endswith(b"\n"):
        sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()


def _type_of(file: str, body: bytes) -> str:
    """The MIME type by the file's name; for standard input JSON if it looks like it, else CSV."""
    suffix = Path(file).suffix.lower()
    if file != "-":
        return _TYPES.get(suffix) or mimetypes.guess_type(file)[0] or "application/octet-stream"
    return "application/json" if body.lstrip()[:1] in (b"{", b"[") else "text/csv"
