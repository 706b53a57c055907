"""The application over ASGI, with handlers of our own: faults, limits, foreign names."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.api import Served, create_app
from pegbox.api.extension import extension_model
from pegbox.api.paging import Pages
from pegbox.errors import PegboxError, StoreFull, ValidationException
from pegbox.wire import PageTokens, Service, Verifier, load_models, sign_request
from pegbox.wire.addressing import host_name

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
KEY, SECRET = "PEGBTEST", "secret"


class Door:
    """An application with replaceable handlers, and signed requests to it."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.table: dict[tuple[str, str], Callable[[Mapping[str, Any]], Any]] = {}
        self.touches = 0
        self.app = create_app(
            Served(
                service=Service({**load_models(), "pegbox": extension_model()}),
                table=self.table,
                verifier=Verifier({KEY: SECRET}.get),
                threads=threads,
                now=lambda: NOW,
                touched=self._touch,
                version="9",
                home_id="home",
                max_body_bytes=1000,
                allowed_hosts=("tunnel.example",),
            )
        )

    def _touch(self) -> None:
        self.touches += 1

    def send(
        self,
        method: str = "POST",
        path: str = "/",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        parts: int = 1,
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a request as it is and return status, headers and body."""
        given = {"host": "127.0.0.1:1", **{name.lower(): value for name, value in (headers or {}).items()}}
        cuts = [body[i * len(body) // parts : (i + 1) * len(body) // parts] for i in range(parts)]
        incoming = [
            {"type": "http.request", "body": cut, "more_body": i < parts - 1} for i, cut in enumerate(cuts)
        ]
        answer: list[Any] = []

        async def receive() -> Any:
            return incoming.pop(0) if incoming else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            answer.append(message)

        path, _, query = path.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "path": path, "raw_path": path.encode(),
            "query_string": query.encode(), "root_path": "", "scheme": "http", "asgi": {"version": "3.0"},
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given.items()],
        }  # fmt: skip
        asyncio.run(self.app(scope, receive, send))
        sent = {name.decode(): value.decode() for name, value in answer[0]["headers"]}
        return answer[0]["status"], sent, b"".join(item.get("body", b"") for item in answer[1:])

    def call(self, target: str, params: Any, **headers: str) -> tuple[int, dict[str, Any]]:
        """Send a signed JSON request and return status and members."""
        body = json.dumps(params).encode()
        wanted = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        signed = sign_request(
            "POST", "http://127.0.0.1:1/", headers=wanted, body=body, access_key_id=KEY, secret_access_key=SECRET,
            region="us-east-1", service="logs" if target.startswith("Logs") else "sagemaker", now=NOW,
        )  # fmt: skip
        status, _, data = self.send("POST", "/", {**signed, **headers}, body)
        return status, json.loads(data or b"{}")


@pytest.fixture(scope="module")
def threads() -> Iterator[ThreadPoolExecutor]:
    """A pool for handlers."""
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture(scope="module")
def shared(threads: ThreadPoolExecutor) -> Door:
    """A door for tests that change nothing of it."""
    return Door(threads)


@pytest.fixture
def door(shared: Door) -> Iterator[Door]:
    """The door with an empty table."""
    shared.table.clear()
    yield shared
    shared.table.clear()


DESCRIBE = "SageMaker.DescribeTrainingJob"


@pytest.mark.parametrize(
    ("error", "status", "code", "words"),
    [
        (ValidationException("no"), 400, "ValidationException", "no"),
        (StoreFull("the disk is full"), 503, "ServiceUnavailable", "Nothing was changed: the disk is full"),
        (PegboxError("odd"), 500, "InternalFailure", "odd (request "),
        (RuntimeError("secret detail"), 500, "InternalFailure", "the server's log tells more under request"),
        (KeyError("x"), 500, "InternalFailure", "request"),
    ],
)
def test_faults_become_answers_with_a_request_id(
    door: Door, caplog: pytest.LogCaptureFixture, error: Exception, status: int, code: str, words: str
) -> None:
    """Whatever a handler raises, the client gets a code, the log the request id, and no secret leaks out."""

    def handle(params: Mapping[str, Any]) -> None:
        raise error

    door.table["sagemaker", "DescribeTrainingJob"] = handle
    with caplog.at_level("INFO", "pegbox.api"):
        got, members = door.call(DESCRIBE, {"TrainingJobName": "a"})
    assert (got, members["__type"]) == (status, code)
    text = members.get("message") or members.get("Message")
    assert words in text
    assert "secret detail" not in text
    assert "DescribeTrainingJob" in caplog.text


def test_an_answer_that_does_not_fit_the_model_is_a_fault_of_ours(door: Door) -> None:
    """A handler's mistake never reaches a client as a broken answer."""
    door.table["sagemaker", "DescribeTrainingJob"] = lambda params: {"TrainingJobName": object()}
    status, members = door.call(DESCRIBE, {"TrainingJobName": "a"})
    assert (status, members["__type"]) == (500, "InternalFailure")


def test_only_signed_requests_touch_the_server(door: Door) -> None:
    """The time of the last request is that of a verified one: strangers do not keep an idle server alive."""
    door.table["sagemaker", "StopTrainingJob"] = lambda params: None
    before = door.touches
    assert door.send("POST", "/", {"x-amz-target": "SageMaker.StopTrainingJob"})[0] == 403
    assert door.send("GET", "/healthz")[0] == 200
    assert door.touches == before
    assert door.call("SageMaker.StopTrainingJob", {"TrainingJobName": "a"}) == (200, {})
    assert door.touches == before + 1


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ODD"]
)
@pytest.mark.parametrize(
    "path", ["/", "/healthz/", "/healthz/x", "//healthz", "/x?y=1", "/service/a/operation/b"]
)
def test_every_other_path_and_method_needs_a_signature(door: Door, method: str, path: str) -> None:
    """Nothing but GET and HEAD of /healthz is answered to a stranger."""
    status, headers, _ = door.send(method, path)
    assert status in (400, 403), (method, path, status)
    assert "x-amzn-requestid" in headers or "x-amzn-RequestId" in headers


def test_the_sign_of_life_tells_version_and_home_only(door: Door) -> None:
    """GET /healthz has exactly two members; other methods there are refused."""
    status, _, body = door.send("GET", "/healthz")
    assert (status, json.loads(body)) == (200, {"version": "9", "home_id": "home"})
    assert door.send("POST", "/healthz")[0] in (403, 405)


@pytest.mark.parametrize("path", ["/", "/healthz"])
@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "localhost:1:2"},
        {"host": "127.0.0.1:x"},
        {"host": ""},
        {"host": "2130706433"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:2"},
        {"origin": "file://127.0.0.1:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_foreign_names_are_refused_on_every_path(door: Door, path: str, headers: dict[str, str]) -> None:
    """DNS rebinding and requests of foreign pages end at the door, signed or not."""
    assert door.send("GET", path, headers)[0] == 403
    if path == "/":
        status, members = door.call(DESCRIBE, {"TrainingJobName": "a"}, **headers)
        assert status == 403
        assert members["__type"] == "AccessDeniedException"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:1"},
        {"host": "LOCALHOST."},
        {"host": "[::1]:1"},
        {"host": "tunnel.example"},
        {"host": "127.0.0.1:1", "origin": "http://127.0.0.1:1", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_our_own_names_are_let_in(door: Door, headers: dict[str, str]) -> None:
    """Loopback names, configured ones, and pages of our own are not refused."""
    assert door.send("GET", "/healthz", headers)[0] == 200


@given(st.text(max_size=40))
def test_a_host_is_never_mistaken(text: str) -> None:
    """Whatever a Host header holds, it is a loopback name only if it is one with an optional port."""
    name = host_name(text)
    assert name is None or ":" not in name or name.startswith("[")
    if name == "localhost":
        rest = text.strip().lower().removeprefix("localhost").lstrip(".")
        assert rest == "" or (rest[0] == ":" and rest[1:].isdigit())


@pytest.mark.parametrize("parts", [1, 3])
def test_a_large_body_is_refused(door: Door, parts: int) -> None:
    """More than the limit is refused as soon as it is known, announced or not."""
    assert door.send("POST", "/", {}, b"x" * 1001, parts)[0] == 413
    assert door.send("POST", "/", {"content-length": "1001"})[0] == 413
    assert door.send("POST", "/", {"content-length": "-1"})[0] == 413
    assert door.send("POST", "/", {}, b"x" * 1000, parts)[0] == 403


@pytest.mark.parametrize(
    ("target", "code"),
    [
        ("SageMaker.CreateTransformJob", "NotImplemented"),
        ("SageMaker.CreateNonsense", "UnknownOperationException"),
        ("Nothing.CreateEndpoint", "UnknownOperationException"),
        ("Logs_20140328.PutLogEvents", "NotImplemented"),
    ],
)
def test_operations_that_are_not_here_say_so(door: Door, target: str, code: str) -> None:
    """What AWS has and we lack is told apart from what nobody has, and named."""
    _, members = door.call(target, {})
    assert members["__type"] == code
    if code == "NotImplemented":
        assert target.partition(".")[2] in (members.get("message") or members.get("Message"))


def test_pages_are_chained_by_tokens_bound_to_the_request() -> None:
    """A token continues exactly its own request: filters may not change, and it cannot be made up."""
    pages = Pages(PageTokens(b"k" * 32))

    def query(params: Mapping[str, Any], after: Any) -> tuple[dict[str, Any], Any]:
        start = after[0] if after else 0
        assert "NextToken" not in params
        found = list(range(10))[start : start + params["MaxResults"]]
        return {"Items": found}, ([start + len(found), "x"] if start + len(found) < 10 else None)

    handle = pages.handler("List", query)
    seen: list[int] = []
    token = None
    while True:
        params = {"MaxResults": 3, "NameContains": "a", **({"NextToken": token} if token else {})}
        page: Any = handle(params)
        seen += page["Items"]
        if "NextToken" not in page:
            break
        token = page["NextToken"]
        with pytest.raises(ValidationException):
            handle({**params, "NextToken": token, "NameContains": "b"})
    assert seen == list(range(10))
    with pytest.raises(ValidationException):
        handle({"MaxResults": 3, "NextToken": "bm9uc2Vuc2U"})


def test_extension_requests_are_checked_like_all_others(door: Door) -> None:
    """Our own operations are validated by a service model, too, and need the same signature."""
    door.table["pegbox", "PutImage"] = lambda params: None
    assert (
        door.call("Pegbox.PutImage", {"Name": "a", "Runtime": {"Kind": "command", "Command": ["x"]}})[0]
        == 200
    )
    status, members = door.call("Pegbox.PutImage", {"Name": "a b", "Runtime": {"Kind": "odd"}})
    assert (status, members["__type"]) == (400, "ValidationException")
    assert "2 validation errors" in members["message"]
    assert door.send("POST", "/", {"x-amz-target": "Pegbox.PutImage"}, b"{}")[0] == 403
