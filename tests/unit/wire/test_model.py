"""Service models: what is kept, where it is cached, and that it stays light."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from pegbox.errors import NotImplementedHere, PegboxError
from pegbox.testing.samples import Samples
from pegbox.wire import Service, modelfile
from pegbox.wire.model import float32, prune
from pegbox.wire.modelfile import load_models, service_description
from pegbox.wire.served import SERVED


def test_only_what_is_served_is_kept_but_every_name_is_known() -> None:
    """The model has the served operations and knows the names of all others."""
    model = load_models()["sagemaker"]
    assert set(model.operations) == set(SERVED["sagemaker"])
    assert "CreateTransformJob" in model.known_operations
    assert len(model.known_operations) > 300
    assert (
        "CreateTransformJobRequest"
        not in prune(service_description("sagemaker"), SERVED["sagemaker"])["shapes"]
    )


def test_protocols_do_not_depend_on_the_age_of_the_client_library() -> None:
    """Monitoring is served in its three protocols, whichever the installed model names first."""
    model = load_models()["cloudwatch"]
    assert set(model.protocols) == {"smithy-rpc-v2-cbor", "json", "query"}
    assert model.target_prefix == "GraniteServiceVersion20100801"
    assert model.signing_name == "monitoring"


def test_the_cache_is_used_and_damage_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fitting cache spares botocore's data; a cut, altered or foreign one is made again."""
    cache = tmp_path / "cache" / "model"
    first = load_models(cache=cache)
    assert cache.stat().st_mode & 0o077 == 0
    whole = cache.read_bytes()
    assert len(whole) < 500_000

    def unread(service: str) -> dict[str, object]:
        raise AssertionError("botocore's data was read")

    with monkeypatch.context() as patched:
        patched.setattr(modelfile, "service_description", unread)
        again = load_models(cache=cache)
        assert again["sagemaker"].known_operations == first["sagemaker"].known_operations
        with pytest.raises(AssertionError):
            load_models({"sagemaker": ["ListTags"]}, cache=cache)
    for damaged in (b"", whole[:1000], whole.replace(b'"max":63', b'"max":99'), b"x\ny\n{}", whole + b" "):
        cache.write_bytes(damaged)
        models = load_models(cache=cache)
        assert models["sagemaker"].operations["ListTags"].input is not None
        assert cache.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    """Where the folder is a file, the models are there all the same."""
    (tmp_path / "file").write_text("")
    assert load_models({"logs": ["GetLogEvents"]}, cache=tmp_path / "file" / "model")["logs"].operations


def test_a_service_that_botocore_does_not_describe_is_named() -> None:
    """A service that does not exist is an error with its name."""
    with pytest.raises(PegboxError, match="'nope'"):
        load_models({"nope": ["Do"]})


def test_the_installed_botocore_describes_all_that_is_served() -> None:
    """No served operation is missing from the model, so no name is misspelt."""
    for name, model in load_models().items():
        assert set(model.operations) == set(SERVED[name])
        assert not model.undescribed


def test_an_older_botocore_costs_only_what_it_does_not_describe() -> None:
    """An operation that botocore does not know yet is answered with the remedy; the others are served."""
    service = Service.load({"logs": ["GetLogEvents", "GetLogEventsOfTomorrow"]})
    assert set(service.models["logs"].operations) == {"GetLogEvents"}
    headers = [
        ("Content-Type", "application/x-amz-json-1.1"),
        ("X-Amz-Target", "Logs_20140328.GetLogEventsOfTomorrow"),
    ]
    with pytest.raises(NotImplementedHere, match="Update botocore"):
        service.parse("POST", "/", headers, b"{}").params()


def test_serving_does_not_import_botocore_and_signing_imports_no_protocol(tmp_path: Path) -> None:
    """The server reads botocore's data without its code; a client that signs loads neither."""
    program = (
        "import sys; from pegbox.wire import sign_request; "
        "assert not {'pegbox.wire.service', 'pegbox.wire.protocols', 'json', 'gzip'} & set(sys.modules); "
        "from pegbox.wire import Service; from pathlib import Path; "
        f"Service.load(cache=Path({str(tmp_path / 'model')!r})); "
        "assert not {'botocore', 'boto3', 're2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("mode", ["extended", "strict"])
def test_every_pattern_of_the_served_models_is_understood(mode: str) -> None:
    """For each string shape that can be sent or answered, a text is found that meets pattern and length."""
    rng = Random(7)
    for name, model in load_models(mode=mode).items():
        for operation in model.operations.values():
            for _ in range(5):
                Samples(rng, optional=1).structure(operation.input)
                Samples(rng, optional=1).structure(operation.output)
        assert name in SERVED


def test_other_services_can_be_added() -> None:
    """The runtime, iam and sts load through the same door."""
    models = load_models(
        {"sagemaker-runtime": ["InvokeEndpoint"], "iam": ["GetRole"], "sts": ["GetCallerIdentity"]}
    )
    assert models["sagemaker-runtime"].signing_name == "sagemaker"
    assert models["iam"].protocols == ("query",)
    assert models["sts"].operations["GetCallerIdentity"].result_wrapper == "GetCallerIdentityResult"


def test_single_precision() -> None:
    """Rounding to 32 bits, and infinity beyond them."""
    assert float32(0.1) == 0.10000000149011612
    assert float32(1e300) == float("inf")
    assert float32(-1e300) == float("-inf")
    assert float32(float("nan")) != float32(float("nan"))
