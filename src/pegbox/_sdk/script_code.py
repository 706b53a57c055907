"""Script mode: a user's program, packed once per ``fit`` and named in the job's hyperparameters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pegbox._sdk.storage import split_s3_uri, storage_of

PROGRAM = "sagemaker_program"
SUBMIT_DIRECTORY = "sagemaker_submit_directory"
LOG_LEVEL = "sagemaker_container_log_level"
JOB_NAME = "sagemaker_job_name"
REGION = "sagemaker_region"
CLOUDWATCH_METRICS = "sagemaker_enable_cloudwatch_metrics"

#: ``logging.INFO``, without loading that module.
INFO = 20


class UploadedCode(NamedTuple):
    """Where a program's code lies.

    Attributes:
        s3_prefix: Address of the archive.
        script_name: Entry point inside it.
    """

    s3_prefix: str
    script_name: str


class ScriptCode:
    """A program: its entry point and what goes with it.

    Args:
        entry_point: Path of the script; relative to ``source_dir`` if that is given.
        source_dir: Folder of the code, or the address of an archive that is stored already, or None.
        dependencies: Files and folders to add beside it.
        git_config: Repository that the paths are relative to, or None.
        code_location: ``s3://bucket/prefix`` for the archive, or None for the default bucket.
    """

    def __init__(
        self,
        entry_point: str,
        source_dir: str | None,
        dependencies: Sequence[str],
        git_config: Mapping[str, str] | None,
        code_location: str | None,
    ) -> None:
        self.entry_point = entry_point
        self.source_dir = source_dir
        self.dependencies = list(dependencies)
        self.git_config = git_config
        self.code_location = code_location

    @property
    def is_stored(self) -> bool:
        """Whether the archive lies in storage already."""
        return self.source_dir is not None and self.source_dir.lower().startswith("s3://")

    def check(self) -> None:
        """Check what can be checked without the service.

        Raises:
            ValueError: The entry point or something else is not there.
        """
        if self.is_stored:
            return
        if self.git_config:
            from pegbox._sdk.git_source import check_git_config

            check_git_config(self.git_config)
            return
        from pegbox._sdk.code_archive import check_entry_point

        check_entry_point(self.entry_point, self.source_dir)

    def upload(self, session: Any) -> UploadedCode:
        """Pack the code, store it under its content's hash unless it is there, and return where.

        Args:
            session: The session whose storage takes it.

        Raises:
            ValueError: Something of the code is not there or cannot be packed.
        """
        if self.is_stored:
            return UploadedCode(str(self.source_dir), self.entry_point)
        import tempfile

        from pegbox._sdk.code_archive import pack

        with tempfile.TemporaryDirectory(prefix="pegbox-git-") as scratch:
            entry_point, source_dir, dependencies = self._from_git(Path(scratch))
            archive = pack(entry_point, source_dir, dependencies)
        bucket, prefix = self._place(session)
        key = f"{prefix}code/{archive.digest}/sourcedir.tar.gz"
        storage_of(session).put_new(bucket, key, archive.body)
        return UploadedCode(f"s3://{bucket}/{key}", archive.program)

    def _place(self, session: Any) -> tuple[str, str]:
        if not self.code_location:
            return session.default_bucket(), ""
        bucket, prefix = split_s3_uri(self.code_location)
        prefix = prefix.strip("/")
        return bucket, f"{prefix}/" if prefix else ""

    def _from_git(self, scratch: Path) -> tuple[str, str | None, list[str]]:
        if not self.git_config:
            return self.entry_point, self.source_dir, self.dependencies
        from pegbox._sdk.git_source import clone

        root = clone(self.git_config, scratch / "repository")
        dependencies = [str(root / item) for item in self.dependencies]
        if self.source_dir is not None:
            return self.entry_point, str(root / self.source_dir), dependencies
        return str(root / self.entry_point), None, dependencies


def script_hyperparameters(
    code: UploadedCode, log_level: int, job_name: str | None, region: str
) -> dict[str, Any]:
    """Return the entries that tell the training toolkit what to run.

    Args:
        code: Where the code lies.
        log_level: Log level of the toolkit, as of :mod:`logging`.
        job_name: Name for the entry ``sagemaker_job_name``.
        region: Region of the service.
    """
    return {
        SUBMIT_DIRECTORY: code.s3_prefix,
        PROGRAM: code.script_name,
        LOG_LEVEL: log_level,
        JOB_NAME: job_name,
        REGION: region,
    }


def json_encoded(values: Mapping[str, Any]) -> dict[str, str]:
    """Return hyperparameters with every value as JSON text, as framework images want them."""
    return {str(name): json_text(value) for name, value in values.items()}


def json_text(value: Any) -> str:
    """Return a value as JSON text; NumPy scalars as plain numbers.

    Raises:
        ValueError: JSON has no form for it.
    """
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    try:
        return json.dumps(value)
    except TypeError:
        raise ValueError(
            f"hyperparameter value {value!r} must be text, a number, a bool, a list or a dict"
        ) from None


def json_decoded(values: Mapping[str, str]) -> dict[str, Any]:
    """Return hyperparameters with every value that is JSON text decoded, others as they are."""
    found: dict[str, Any] = {}
    for name, text in values.items():
        try:
            found[name] = json.loads(text)
        except (TypeError, ValueError):
            found[name] = text
    return found


def log_level_of(value: Any) -> int:
    """Return a log level from a job's hyperparameter, INFO if it is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return INFO
