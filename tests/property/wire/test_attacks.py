"""Hostile requests: none accepted, none answered with a fault of the server."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone
from itertools import islice
from random import Random

import pytest

from pegbox.errors import ApiError
from pegbox.testing.fuzz import fuzzed_calls
from pegbox.testing.signature_mutations import Key, mutants, signed_request, to_http
from pegbox.wire import Service, Verifier

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
KEY = Key("PEGBOXTESTKEY", "secret/with+signs=")
SERVICES = frozenset({"sagemaker", "logs", "monitoring"})
VERIFIER = Verifier({KEY.access_key_id: KEY.secret_access_key}.get)


@pytest.fixture(scope="module", params=["extended", "strict"])
def service(request: pytest.FixtureRequest) -> Service:
    """The served models in each mode."""
    return Service.load(mode=request.param)


def test_the_originals_are_accepted() -> None:
    """What the mutations start from is right, else the next test would prove nothing."""
    rng = Random(11)
    for _ in range(500):
        VERIFIER.verify(signed_request(rng, KEY, NOW), NOW, SERVICES)


@pytest.mark.parametrize("seed", range(3))
def test_no_mutated_request_is_accepted(seed: int) -> None:
    """Of 2,000 changed requests none is accepted, each is refused as a client's mistake, every kind occurs."""
    kinds: Counter[str] = Counter()
    for mutant in islice(mutants(KEY, NOW, seed), 2_000):
        kinds[mutant.what] += 1
        with pytest.raises(ApiError) as caught:
            VERIFIER.verify(mutant.request, mutant.now, SERVICES)
        assert caught.value.status in (400, 403), mutant
    assert len(kinds) == 20, kinds


def test_mutants_can_be_sent_as_they_stand() -> None:
    """The bytes for a socket carry method, target, each header and the body."""
    request = signed_request(Random(1), KEY, NOW)
    head, _, body = to_http(request).partition(b"\r\n\r\n")
    assert body == request.body
    lines = head.decode("latin-1").split("\r\n")
    assert lines[0].startswith("POST /")
    assert {f"{name}: {value}" for name, value in request.headers} < set(lines)


@pytest.mark.parametrize("seed", range(2))
def test_fuzzed_calls_raise_only_what_a_client_may_see(service: Service, seed: int) -> None:
    """Parsing 1,000 hostile calls gives parameters or an error below 500 that can be written, nothing else."""
    outcomes: Counter[str] = Counter()
    for fuzzed in islice(fuzzed_calls(service.models, seed), 1_000):
        call = service.open(fuzzed.request)
        try:
            call.params()
            outcomes["accepted"] += 1
        except ApiError as raised:
            refusal = raised
        else:
            continue
        response = call.respond_error(refusal, "id")
        assert 400 <= response.status < 500, (fuzzed.what, refusal)
        assert len(response.body) < 50_000, fuzzed.what
        outcomes[type(refusal).__name__] += 1
    assert {"accepted", "ValidationException", "SerializationException", "UnknownOperationException"} <= set(
        outcomes
    )
