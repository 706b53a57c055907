"""Captured data and asynchronous invocations with a key: sealed wherever they lie, and only while the key may be used."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pegbox.sealing import (
    DataKey,
    holds_records,
    new_data_key,
    open_records,
    open_whole,
    read_records_header,
    unwrap_data_key,
)
from pegbox.testing import plaintext
from pegbox.testing.gateway_rig import GatewayRig, Word, endpoint, eventually

MASTER = bytes(range(32))
SECRET = b"what a client keeps to itself"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[GatewayRig]:
    """A gateway that is not started yet."""
    rig = GatewayRig(tmp_path / "home")
    yield rig
    rig.close()


def capture(folder: Path, key: str | None = "alias/k") -> dict[str, Any]:
    """Return a capture configuration of a snapshot, into a folder of the home."""
    return {
        "sampling": 100, "input": True, "output": True, "destination": "s3://pegbox-local/captured", "path": str(folder),
        "csv_types": ["text/csv"], "json_types": ["application/json"], "key": key,
    }  # fmt: skip


def results(rig: GatewayRig, key: str | None = "alias/k") -> dict[str, Any]:
    """Return an asynchronous configuration of a snapshot."""
    bucket = rig.home / "buckets" / "pegbox-local"
    return {
        "output_uri": "s3://pegbox-local/out", "output_path": str(bucket / "out"),
        "failure_uri": "s3://pegbox-local/failed", "failure_path": str(bucket / "failed"),
        "max_concurrent": 2, "key": key,
    }  # fmt: skip


def hand_over(word: Word, *names: str, **problems: str) -> None:
    """Say as the server does which keys may be used."""
    keys = {name: new_data_key(MASTER, "some-id").to_json() for name in names}
    word.tell(
        {"type": "keys", "keys": keys, "problems": {f"alias/{key}": why for key, why in problems.items()}}
    )


def captures(word: Word, status: str) -> Any:
    """Return what is said of the capture of endpoint e once it has a status."""
    told = word.wait(
        lambda message: message["type"] == "status" and message["captures"]["e"]["status"] == status
    )
    return told["captures"]["e"]


def holders(home: Path) -> list[str]:
    """Return the files below a home that hold the secret; text that was kept as base64 too."""
    return plaintext.holders(home, lambda _, data: SECRET in data or b"d2hhdCBhIGNsaWVudC" in data)


def refusal_of(question: dict[str, Any]) -> dict[str, Any]:
    """Return the server's word that the key of a question is disabled."""
    return {"type": "opened", "wrapped": question["wrapped"], "key": None, "problem": "the key is disabled"}


def opened(file: Path) -> tuple[list[dict[str, Any]], bool]:
    """Return the records of a file and whether its end is there, by the master key alone."""
    header = read_records_header(io.BytesIO(file.read_bytes()))
    key = unwrap_data_key(MASTER, header.key_id, header.wrapped)
    target = io.BytesIO()
    with file.open("rb") as source:
        whole = open_records(source, target, key.plain).whole
    return [json.loads(line) for line in target.getvalue().splitlines()], whole


def texts(*folders: Path) -> list[str]:
    """Return the inputs of all records below some folders."""
    return [
        record["captureData"]["endpointInput"]["data"]
        for folder in folders
        for file in sorted(folder.rglob("*.jsonl"))
        for record in opened(file)[0]
    ]


def invoke(rig: GatewayRig, text: str) -> None:
    """Call endpoint e with the secret."""
    rig.client().invoke_endpoint(EndpointName="e", Body=SECRET + text.encode(), ContentType="text/csv")


def test_captured_data_is_sealed_in_the_spool_and_where_it_is_delivered(rig: GatewayRig) -> None:
    """No file of the home holds what was sent, at any time; opened, the records have AWS's form, and their end is there."""
    out = rig.home / "buckets" / "pegbox-local" / "captured"
    rig.publish({"e": endpoint(rig.model(), capture=capture(out))})
    rig.start()
    with rig.word() as word:
        assert "has not handed the key over" in captures(word, "Stopped")["reason"]
        hand_over(word, "alias/k")
        captures(word, "Started")
    for number in range(5):
        invoke(rig, str(number))
        assert holders(rig.home) == []
    eventually(lambda: list(out.rglob("*.jsonl")), "the records are delivered", 60)
    invoke(rig, "last")
    assert rig.end() == 0
    assert holders(rig.home) == []
    files = sorted(out.rglob("*.jsonl"))
    assert all(holds_records(file.read_bytes()) and opened(file)[1] for file in files)
    (record, *_), _ = opened(files[0])
    assert record["captureData"]["endpointInput"]["observedContentType"] == "text/csv"
    assert record["eventVersion"] == "0"
    assert texts(out) == [SECRET.decode() + end for end in ("0", "1", "2", "3", "4", "last")]


def test_kill_9_loses_no_sealed_record(rig: GatewayRig) -> None:
    """After kill -9, three times, every answered request is in a sealed file: without its end, but with whole records."""
    out = rig.home / "buckets" / "pegbox-local" / "captured"
    rig.publish({"e": endpoint(rig.model(), capture=capture(out))})
    expected = []
    for number in range(3):
        rig.start()
        with rig.word() as word:
            hand_over(word, "alias/k")
            captures(word, "Started")
        for place in range(10):
            invoke(rig, f"{number}-{place}")
            expected.append(f"{SECRET.decode()}{number}-{place}")
        rig.kill()
        assert holders(rig.home) == []
        assert sorted(texts(out, rig.home / "gateway" / "capture")) == sorted(expected)
    # What a crash cut in the middle is cut off by the next gateway, which has no key yet.
    (left,) = (rig.home / "gateway" / "capture").rglob("*.jsonl")
    with left.open("ab") as stream:
        stream.write(b"\0\0\0\1\0half a chunk")
    rig.start()
    eventually(lambda: sorted(texts(out)) == sorted(expected), "all records are delivered")
    assert not any(opened(file)[1] for file in out.rglob("*.jsonl"))


def test_a_key_that_is_disabled_pauses_capture(rig: GatewayRig) -> None:
    """Requests are answered, nothing is recorded, the server is told why; with the key enabled again capture goes on."""
    out = rig.home / "buckets" / "pegbox-local" / "captured"
    rig.publish(
        {
            "e": endpoint(rig.model(), capture=capture(out)),
            "plain": endpoint(rig.models[0], number=2, capture=capture(out, None)),
        }
    )
    rig.start()
    with rig.word() as word:
        hand_over(word, "alias/k")
        captures(word, "Started")
        invoke(rig, "before")
        hand_over(word, k="the key is disabled; 'pegbox keys enable k' enables it again")
        assert captures(word, "Stopped")["reason"].startswith("key alias/k: the key is disabled")
        invoke(rig, "while")
        rig.client().invoke_endpoint(EndpointName="plain", Body=b"in the clear")
        assert holders(rig.home) == []
        hand_over(word, "alias/k")
        captures(word, "Started")
        invoke(rig, "after")
    assert rig.end() == 0
    assert texts(out / "e") == [SECRET.decode() + "before", SECRET.decode() + "after"]
    assert all(not holds_records(file.read_bytes()) for file in (out / "plain").rglob("*.jsonl"))
    assert "nothing is sealed with key alias/k: the key is disabled" in rig.log()
    assert holders(rig.home) == []


def test_another_key_begins_another_file(rig: GatewayRig) -> None:
    """When a configuration changes its key, or drops it, records never go to a file of the former one."""
    out = rig.home / "buckets" / "pegbox-local" / "captured"
    model = rig.model()
    for key in ("alias/k", "alias/l", None):
        rig.publish({"e": endpoint(model, capture=capture(out, key))})
        if rig.process is None:
            rig.start()
        with rig.word() as word:
            hand_over(word, "alias/k", "alias/l")
            captures(word, "Started")
        rig.client().invoke_endpoint(EndpointName="e", Body=str(key).encode(), ContentType="text/csv")
    assert rig.end() == 0
    files = list((out / "e").rglob("*.jsonl"))
    sealed = [file for file in files if holds_records(file.read_bytes())]
    assert (len(files), len(sealed)) == (3, 2)


def test_words_that_are_no_keys_reach_no_log(rig: GatewayRig) -> None:
    """A damaged word of the server's about keys is told without what was in it, and no key is used then."""
    rig.publish({"e": endpoint(rig.model(), capture=capture(rig.home / "out"))})
    rig.start()
    with rig.word() as word:
        hand_over(word, "alias/k")
        captures(word, "Started")
        word.tell({"type": "keys", "keys": {"alias/k": {"plain": "secret-material"}}, "problems": {}})
        captures(word, "Stopped")
        word.tell({"type": "opened", "wrapped": "00", "key": {"plain": "secret-material"}})
        word.tell(["secret-material"])  # type: ignore[arg-type]
    eventually(lambda: "no message" in rig.log(), "the gateway says so")
    assert "secret-material" not in rig.log()


def test_asynchronous_invocations_are_sealed_while_they_wait_and_answered_sealed(rig: GatewayRig) -> None:
    """The queue and the result hold no plaintext; a failure's reason neither; opened they are what they always were."""
    rig.publish({"e": endpoint(asynchronous=results(rig))})
    rig.start()
    with rig.word() as word:
        with pytest.raises(
            ClientError, match=r"cannot be stored: key alias/k: the server has not handed the key over"
        ):
            rig.client().invoke_endpoint_async(EndpointName="e", Body=SECRET)
        hand_over(word, "alias/k")
        client = rig.client()
        eventually(lambda: _accepted(client), "the key is there")
        told = client.invoke_endpoint_async(EndpointName="e", Body=SECRET)
        failed = client.invoke_endpoint_async(EndpointName="e", Body=SECRET, CustomAttributes="status=500")
        assert holders(rig.home) == []
        rig.publish({"e": endpoint(rig.model(), asynchronous=results(rig))})
        out, why = (
            rig.home / "buckets" / uri.removeprefix("s3://")
            for uri in (told["OutputLocation"], failed["FailureLocation"])
        )
        eventually(out.exists, "the result is written")
        eventually(why.exists, "the failure is written")
    assert holders(rig.home) == []
    assert "the reason is sealed" in rig.log()
    assert _whole(out) == SECRET
    assert b"Received server error (500)" in _whole(why)
    assert SECRET in _whole(why)


def test_a_new_gateway_asks_the_server_for_the_key_of_what_waits(rig: GatewayRig) -> None:
    """After kill -9 what waits is opened with the key that the server unwraps; while it refuses, that waits and others do not."""
    rig.publish({"e": endpoint(asynchronous=results(rig))})
    rig.start()
    with rig.word() as word:
        hand_over(word, "alias/k")
        client = rig.client()
        eventually(lambda: _accepted(client), "the key is there")
        told = client.invoke_endpoint_async(EndpointName="e", Body=SECRET)
    rig.kill()
    rig.start()
    with rig.word() as word:
        hand_over(word, "alias/l", k="the key is disabled")
        rig.publish({"e": endpoint(rig.model(), asynchronous=results(rig, "alias/l"))})
        question = word.wait(lambda message: message["type"] == "unwrap")
        assert question["key"] == "some-id"
        word.tell(refusal_of(question))
        other = rig.client().invoke_endpoint_async(EndpointName="e", Body=b"of another key")
        place = rig.home / "buckets" / other["OutputLocation"].removeprefix("s3://")
        eventually(place.exists, "another key's invocation is done")
        word.wait(lambda message: message["type"] == "unwrap")
        hand_over(word, "alias/k", "alias/l")
        question = word.wait(lambda message: message["type"] == "unwrap")
        found: DataKey = unwrap_data_key(MASTER, question["key"], bytes.fromhex(question["wrapped"]))
        word.tell({"type": "opened", "wrapped": question["wrapped"], "key": found.to_json()})
        place = rig.home / "buckets" / told["OutputLocation"].removeprefix("s3://")
        eventually(place.exists, "the result is written")
    assert _whole(place) == SECRET
    assert holders(rig.home) == []


def test_what_waits_for_a_key_ends_with_its_endpoint(rig: GatewayRig) -> None:
    """An endpoint that is deleted while its key is disabled leaves nothing behind, neither a file nor plaintext."""
    rig.publish({"e": endpoint(asynchronous=results(rig))})
    rig.start()
    with rig.word() as word:
        hand_over(word, "alias/k")
        client = rig.client()
        eventually(lambda: _accepted(client), "the key is there")
        hand_over(word, k="the key is disabled")
        rig.publish({})
        question = word.wait(lambda message: message["type"] == "unwrap")
        word.tell(refusal_of(question))
        eventually(lambda: not list((rig.home / "gateway" / "async").rglob("*.json")), "nothing waits")
    assert not (rig.home / "buckets" / "pegbox-local" / "failed").exists()
    assert holders(rig.home) == []


def _accepted(client: Any) -> bool:
    """Whether an invocation is taken now."""
    try:
        client.invoke_endpoint_async(EndpointName="e", Body=SECRET)
    except ClientError:
        return False
    return True


def _whole(file: Path) -> bytes:
    data = file.read_bytes()
    header = read_records_header(io.BytesIO(data))
    return open_whole(data, unwrap_data_key(MASTER, header.key_id, header.wrapped).plain)
