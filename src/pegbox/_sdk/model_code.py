"""The code that serves a model: where it lies, and what the model server is told of it."""

from __future__ import annotations

import io
import tarfile
import tempfile
from pathlib import Path
from typing import IO, Any

from pegbox._sdk.script_code import ScriptCode, UploadedCode
from pegbox._sdk.storage import split_s3_uri, storage_of
from pegbox.session_settings import settings_of

PROGRAM = "SAGEMAKER_PROGRAM"
SUBMIT_DIRECTORY = "SAGEMAKER_SUBMIT_DIRECTORY"
LOG_LEVEL = "SAGEMAKER_CONTAINER_LOG_LEVEL"
REGION = "SAGEMAKER_REGION"
CLOUDWATCH_METRICS = "SAGEMAKER_ENABLE_CLOUDWATCH_METRICS"
WORKERS = "SAGEMAKER_MODEL_SERVER_WORKERS"

#: Where code lies that came with the model.
CODE_IN_MODEL = "/opt/ml/model/code"


def code_environment(
    code: UploadedCode | None, in_model: bool, log_level: int, region: str
) -> dict[str, str]:
    """Return the variables that tell a model server what to run.

    Args:
        code: Where the code lies; None for none.
        in_model: Whether it lies in the model's archive.
        log_level: Log level of the server.
        region: Region of the service.
    """
    if code is None:
        return {}
    return {
        PROGRAM: code.script_name,
        SUBMIT_DIRECTORY: CODE_IN_MODEL if in_model else code.s3_prefix,
        LOG_LEVEL: str(log_level),
        REGION: region,
    }


def stored_model(session: Any, model_data: str | None) -> str | None:
    """Return the ``s3://`` address of a model, storing a file of this machine first, under its content's hash.

    Args:
        session: The session whose storage takes it.
        model_data: Address or path of the model, or None.

    Raises:
        ValueError: There is no such file.
    """
    if model_data is None or ("://" in model_data and not model_data.startswith("file://")):
        return model_data
    import hashlib

    path = Path(model_data.removeprefix("file://")).expanduser()
    if not path.is_file():
        raise ValueError(
            f"model_data={model_data!r}: there is no such file; give the model's .tar.gz archive"
        )
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    bucket, key = session.default_bucket(), f"models/{digest}/model.tar.gz"
    storage_of(session).put_file(bucket, key, path)
    return f"s3://{bucket}/{key}"


def repack(session: Any, model_data: str, code: ScriptCode, target: str, kms_key: str | None) -> UploadedCode:
    """Store a model's archive with its code inside, below ``code/``, and return where.

    For images that look for the code there, and for servers without network, which cannot fetch it.

    Args:
        session: The session whose storage has the model and takes the new archive.
        model_data: Address of the model.
        code: The code.
        target: Address of the new archive.
        kms_key: KMS key that encrypts it.

    Raises:
        ValueError: The model or the code is no archive.
    """
    storage = storage_of(session)
    stored = code.upload(session)
    settings = settings_of(session)
    if not settings.encrypt_repacked_artifacts:
        kms_key = None
    with tempfile.TemporaryDirectory(prefix="pegbox-model-", dir=settings.local_download_dir) as scratch:
        parts = []
        for name, address in (("model", model_data), ("code", stored.s3_prefix)):
            parts.append(Path(scratch) / name)
            storage.get_file(*split_s3_uri(address), parts[-1])
        packed = Path(scratch) / "packed"
        try:
            with parts[0].open("rb") as model, parts[1].open("rb") as source, packed.open("wb") as out:
                _merge(model, source, out)
        except tarfile.TarError as error:
            raise ValueError(f"{model_data} or {stored.s3_prefix} is no .tar.gz archive: {error}") from error
        extra = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else None
        storage.put_file(*split_s3_uri(target), packed, extra)
    return UploadedCode(target, stored.script_name)


def _merge(model: IO[bytes], code: IO[bytes], out: IO[bytes]) -> None:
    """Write one archive from two; nothing is unpacked to disk, so no member can reach outside."""
    with tarfile.open(fileobj=out, mode="w:gz") as merged:
        with tarfile.open(fileobj=model, mode="r:*") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                # Code that is in the model already is what this replaces.
                if name != "code" and not name.startswith("code/"):
                    merged.addfile(member, archive.extractfile(member) if member.isfile() else None)
        with tarfile.open(fileobj=code, mode="r:*") as archive:
            for member in archive:
                if member.isfile():
                    body = archive.extractfile(member)
                    member.name = "code/" + member.name.removeprefix("./")
                    merged.addfile(member, body or io.BytesIO())
