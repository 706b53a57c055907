"""Answers of the runtime service as REST-JSON: results, errors, and the model server's words in them."""

from __future__ import annotations

import json
import random

from pegbox.errors import ApiError, ModelError
from pegbox.wire.http import Response

#: Longest message of an error, in characters.
MESSAGE_CHARS = 2048
#: Seconds after which a client that was sent away may come again.
RETRY_SECONDS = 1


def request_id() -> str:
    """Return a new id of a request, in the form of a random UUID."""
    # It tells requests apart and guards nothing; asking the system for random bytes each time would cost a call of it.
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def error_answer(error: ApiError, identity: str) -> Response:
    """Return an error as a client reads it; ``identity`` is the request's id."""
    body: dict[str, object] = {"Message": error.message[:MESSAGE_CHARS]}
    if isinstance(error, ModelError):
        body["OriginalStatusCode"] = error.original_status
        body["OriginalMessage"] = error.original_message[:MESSAGE_CHARS]
        body["LogStreamArn"] = error.log_stream_arn
    headers = [
        ("Content-Type", "application/json"),
        ("x-amzn-ErrorType", error.code),
        ("x-amzn-RequestId", identity),
    ]
    if error.status in (429, 503):
        headers.append(("Retry-After", str(RETRY_SECONDS)))
    return Response(error.status, tuple(headers), json.dumps(body).encode())


def model_error(status: int, words: str, log_stream_arn: str) -> ModelError:
    """Return the error for what a model server answered, or for its silence (status 0).

    Args:
        status: The HTTP status of its answer; 0 where there was none.
        words: Its answer's text, or what happened instead.
        log_stream_arn: Where its log is.
    """
    side = "client" if 400 <= status < 500 else "server"
    shown = words if len(words) <= MESSAGE_CHARS // 2 else words[: MESSAGE_CHARS // 2] + "..."
    return ModelError(
        f'Received {side} error ({status}) from primary with message "{shown}". '
        f"The log stream {log_stream_arn} tells more.",
        original_status=status,
        original_message=words,
        log_stream_arn=log_stream_arn,
    )


def result_headers(
    identity: str, variant: str, content_type: str | None, attributes: str | None, *, stream: bool = False
) -> tuple[tuple[str, str], ...]:
    """Return the headers of a result: the model server's content type and custom attributes, and who answered."""
    headers = [("x-amzn-RequestId", identity), ("x-Amzn-Invoked-Production-Variant", variant)]
    if stream:
        headers.append(("Content-Type", "application/vnd.amazon.eventstream"))
    if content_type is not None:
        headers.append(("X-Amzn-SageMaker-Content-Type" if stream else "Content-Type", content_type))
    if attributes is not None:
        headers.append(("X-Amzn-SageMaker-Custom-Attributes", attributes))
    return tuple(headers)
