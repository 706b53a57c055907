"""The session: which service is spoken to, and its jobs, storage and logs as plain calls.

``Session()`` finds the local server of this user, or starts it. Only an explicit choice leaves it: ``boto_session``,
``sagemaker_client`` or ``endpoint_url`` here, or the variables ``PEGBOX_ENDPOINT_URL``, ``AWS_ENDPOINT_URL_SAGEMAKER``
and ``AWS_ENDPOINT_URL``. AWS profiles and keys that happen to be there never do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegbox._sdk import requests
from pegbox._sdk.endpoint_requests import container_def, production_variant
from pegbox._sdk.endpoint_session import EndpointSession
from pegbox._sdk.flat_tuning_call import FlatTuningCall
from pegbox.errors import NotHere
from pegbox.inputs import FileSystemInput, ShuffleConfig, TrainingInput, s3_input
from pegbox.session_settings import SessionSettings
from pegbox.workflow.entities import refuse_variables

if TYPE_CHECKING:
    from pegbox._sdk.progress import Progress
    from pegbox._sdk.storage import Storage
    from pegbox._sdk.target import Target

__all__ = [
    "FileSystemInput",
    "Session",
    "ShuffleConfig",
    "TrainingInput",
    "container_def",
    "get_execution_role",
    "production_variant",
    "s3_input",
]

#: Targets that were said already in this process.
_ANNOUNCED: set[str] = set()


class Session(EndpointSession, FlatTuningCall):
    """A connection to the service and its storage. Nothing is started or loaded before the first call needs it.

    Args:
        boto_session: Speak to AWS (or what its configuration names) with this boto3 session.
        sagemaker_client: Use this boto3 client of ``sagemaker``.
        sagemaker_runtime_client: Use this boto3 client of ``sagemaker-runtime``.
        default_bucket: Bucket for code, data and models when none is named.
        endpoint_url: Speak to the service at this address.
        settings: How models are packed anew.
    """

    def __init__(
        self,
        boto_session: Any = None,
        sagemaker_client: Any = None,
        sagemaker_runtime_client: Any = None,
        default_bucket: str | None = None,
        *,
        endpoint_url: str | None = None,
        settings: SessionSettings | None = None,
    ) -> None:
        self._given_boto_session = boto_session
        self._given_client = sagemaker_client
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}
        if sagemaker_client is not None:
            self._clients["sagemaker"] = sagemaker_client
        if sagemaker_runtime_client is not None:
            self._clients["sagemaker-runtime"] = sagemaker_runtime_client
        self._default_bucket_name_override = default_bucket
        self._default_bucket: str | None = None
        self._target: Target | None = None
        self._storage: Storage | None = None
        self.settings = settings or SessionSettings()
        self.config: Any = None
        self.local_mode = False
        self.s3_client: Any = None
        self.s3_resource: Any = None

    # -- where requests go

    @property
    def target(self) -> Target:
        """The service that this session speaks to; the local server is started by the first look."""
        if self._target is None:
            self._target = self._resolve()
        return self._target

    @property
    def is_local(self) -> bool:
        """Whether this session speaks to the local server of this user."""
        return self.target.is_local

    @property
    def boto_region_name(self) -> str:
        """Region of requests."""
        return self.target.region

    @property
    def boto_session(self) -> Any:
        """The boto3 session: the one given, or one made for the target."""
        if self._given_boto_session is None:
            from pegbox._sdk.clients import make_boto_session

            self._given_boto_session = make_boto_session(self.target)
        return self._given_boto_session

    @property
    def sagemaker_client(self) -> Any:
        """boto3 client of ``sagemaker``."""
        return self.client("sagemaker")

    @sagemaker_client.setter
    def sagemaker_client(self, client: Any) -> None:
        """Use another client."""
        self._clients["sagemaker"] = client

    @property
    def sagemaker_runtime_client(self) -> Any:
        """boto3 client of ``sagemaker-runtime``."""
        return self.client("sagemaker-runtime")

    @sagemaker_runtime_client.setter
    def sagemaker_runtime_client(self, client: Any) -> None:
        """Use another client."""
        self._clients["sagemaker-runtime"] = client

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service at this session's target.

        Args:
            service: boto3's service name, for example ``logs`` or ``cloudwatch``.
        """
        if service not in self._clients:
            from pegbox._sdk.clients import make_client

            self._clients[service] = make_client(self.target, service, self._given_boto_session)
        return self._clients[service]

    def announce_target(self) -> None:
        """Say once in this process, on standard error, where requests go."""
        sentence = self.target.sentence()
        if sentence not in _ANNOUNCED:
            _ANNOUNCED.add(sentence)
            print(sentence, file=sys.stderr)

    def _resolve(self) -> Target:
        from pegbox import __version__
        from pegbox._sdk.target import Target, resolve

        if self._given_client is not None:
            meta = self._given_client.meta
            return Target(url=meta.endpoint_url, region=meta.region_name, chosen_by="sagemaker_client")
        return resolve(self._endpoint_url, self._given_boto_session, __version__)

    def _revive(self) -> None:
        """Start the local server again if it died while its jobs are watched."""
        from pegbox._sdk import local_server

        if self.target.home is not None:
            local_server.revive(self.target.home)

    # -- storage

    @property
    def storage(self) -> Storage:
        """Object storage: the local server's buckets, or S3."""
        if self._storage is None:
            from pegbox._sdk.storage import LocalBuckets, RemoteBuckets

            home = self.target.home
            if home is not None:
                self._storage = LocalBuckets(home, self._creatable_buckets)
            else:
                self._storage = RemoteBuckets(self.s3_client or self.client("s3"))
        return self._storage

    def default_bucket(self) -> str:
        """Return the bucket for code, data and models when none is named; on AWS it is made if it is not there."""
        if self._default_bucket is None:
            if self.is_local:
                self._default_bucket = self._default_bucket_name_override or self.target.bucket
            else:
                from pegbox._sdk.aws_account import ensure_default_bucket

                self._default_bucket = ensure_default_bucket(self, self._default_bucket_name_override)
        return self._default_bucket

    def upload_data(
        self,
        path: str | os.PathLike[str],
        bucket: str | None = None,
        key_prefix: str = "data",
        extra_args: dict[str, Any] | None = None,
    ) -> str:
        """Store a file, or a folder with everything below it, and return its address.

        Args:
            path: File or folder.
            bucket: Bucket; the default bucket if None.
            key_prefix: First part of the keys.
            extra_args: Further arguments of boto3's upload (not for the local server).

        Returns:
            ``s3://bucket/prefix`` for a folder, ``s3://bucket/prefix/name`` for a file.

        Raises:
            ValueError: There is no such file or folder.
        """
        source = Path(path).expanduser()
        if not source.exists():
            raise ValueError(f"path={os.fspath(path)!r}: there is no such file or folder")
        bucket = bucket or self.default_bucket()
        prefix = key_prefix.strip("/")
        lead = f"{prefix}/" if prefix else ""
        if source.is_file():
            self.storage.put_file(bucket, lead + source.name, source, extra_args)
            return f"s3://{bucket}/{lead}{source.name}"
        for file in sorted(item for item in source.rglob("*") if item.is_file()):
            self.storage.put_file(bucket, lead + file.relative_to(source).as_posix(), file, extra_args)
        return f"s3://{bucket}/{prefix}"

    def upload_string_as_file_body(self, body: str, bucket: str, key: str, kms_key: str | None = None) -> str:
        """Store text as an object and return its address.

        Args:
            body: The text.
            bucket: Bucket.
            key: Key.
            kms_key: KMS key that encrypts the object (not for the local server).
        """
        extra = {"SSEKMSKeyId": kms_key, "ServerSideEncryption": "aws:kms"} if kms_key else None
        self.storage.put_bytes(bucket, key, body.encode(), extra)
        return f"s3://{bucket}/{key}"

    def download_data(
        self, path: str, bucket: str, key_prefix: str = "", extra_args: dict[str, Any] | None = None
    ) -> list[str]:
        """Fetch all objects below a prefix into a folder and return the paths written.

        Args:
            path: Folder; made if it is not there.
            bucket: Bucket.
            key_prefix: First part of the keys; the whole key for a single object.
            extra_args: Not supported; leave it out.

        Raises:
            ValueError: ``extra_args`` was given, or a key would leave the folder.
        """
        if extra_args:
            raise ValueError(f"extra_args={extra_args!r} is not supported by download_data; leave it out")
        folder = Path(path).expanduser()
        written = []
        for key in self.storage.keys(bucket, key_prefix):
            if key.endswith("/"):
                continue
            name = key[len(key_prefix) :].lstrip("/") or key.rsplit("/", 1)[-1]
            if ".." in name.split("/"):
                raise ValueError(f"key {key!r} would be written outside of {folder}")
            self.storage.get_file(bucket, key, folder / name)
            written.append(str(folder / name))
        return written

    def read_s3_file(self, bucket: str, key_prefix: str) -> str:
        """Return an object as text."""
        return self.storage.get_bytes(bucket, key_prefix).decode()

    def list_s3_files(self, bucket: str, key_prefix: str) -> list[str]:
        """Return the keys that start with a prefix."""
        return self.storage.keys(bucket, key_prefix)

    def _creatable_buckets(self) -> frozenset[str]:
        return frozenset({self.target.bucket, self.default_bucket()})

    # -- tuning jobs

    def create_tuning_job(
        self,
        job_name: str,
        tuning_config: dict[str, Any],
        training_config: dict[str, Any] | None = None,
        training_config_list: list[dict[str, Any]] | None = None,
        warm_start_config: dict[str, Any] | None = None,
        tags: list[dict[str, str]] | None = None,
        autotune: bool = False,
    ) -> None:
        """Start a tuning job.

        Args:
            job_name: Its name.
            tuning_config: Keyword arguments of :func:`pegbox._sdk.requests.tuning_config`.
            training_config: Keyword arguments of :func:`pegbox._sdk.requests.training_definition`.
            training_config_list: Several such, each with ``estimator_name``.
            warm_start_config: The request's ``WarmStartConfig``.
            tags: The request's ``Tags``.
            autotune: Refused when True.

        Raises:
            NotHere: ``autotune`` was asked for.
            ValueError: Not exactly one of ``training_config`` and ``training_config_list`` is given.
        """
        if autotune:
            raise NotHere("autotune=True is not offered by this version; give parameter_ranges")
        if training_config is None and training_config_list is None:
            raise ValueError("Either training_config or training_config_list should be provided.")
        if training_config is not None and training_config_list is not None:
            raise ValueError("Only one of training_config and training_config_list should be provided.")
        request: dict[str, Any] = {
            "HyperParameterTuningJobName": job_name,
            "HyperParameterTuningJobConfig": requests.tuning_config(**tuning_config),
        }
        if training_config is not None:
            request["TrainingJobDefinition"] = requests.training_definition(**training_config)
        if training_config_list is not None:
            request["TrainingJobDefinitions"] = [
                requests.training_definition(**one) for one in training_config_list
            ]
        if warm_start_config is not None:
            request["WarmStartConfig"] = warm_start_config
        if tags is not None:
            request["Tags"] = tags
        refuse_variables(request)
        self.sagemaker_client.create_hyper_parameter_tuning_job(**request)

    def describe_tuning_job(self, job_name: str) -> dict[str, Any]:
        """Return the description of a tuning job.

        Raises:
            ValueError: There is no name.
        """
        if not job_name:
            raise ValueError("No tuning job available: call fit or attach first")
        answer: dict[str, Any] = self.sagemaker_client.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=job_name
        )
        return answer

    def stop_tuning_job(self, name: str) -> None:
        """Stop a tuning job; one that has ended already is left as it is."""
        from botocore.exceptions import ClientError

        try:
            self.sagemaker_client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise

    def wait_for_tuning_job(
        self, job: str, poll: float | None = None, *, logs: bool | str = False, quiet: bool = False
    ) -> dict[str, Any]:
        """Wait until a tuning job ends, showing how it goes, and return its description.

        Interrupted (Ctrl-C), it stops watching and says how to come back; the job goes on.

        Args:
            job: Tuning-job name.
            poll: Seconds between looks; by default 5, and less for the local server.
            logs: Print the training jobs' log lines too.
            quiet: Show nothing.

        Raises:
            UnexpectedStatusException: The job failed.
        """
        from pegbox._sdk import waiting
        from pegbox._sdk.displays import Lines, choose_display

        wants_logs = logs not in (False, "None", None)
        # Log lines would tear a panel that is redrawn in place.
        display = Lines(sys.stdout) if wants_logs and not quiet else choose_display(quiet)
        try:
            described = waiting.follow_tuning_job(
                self.sagemaker_client,
                job,
                display,
                waiting.pauses(poll, self.is_local),
                self._log_printer() if wants_logs else None,
                revive=self._revive,
            )
        except KeyboardInterrupt:
            print(_detached(job), file=sys.stderr)
            raise
        waiting.check_status(job, described, "HyperParameterTuningJobStatus")
        return described

    def _log_printer(self) -> Any:
        from pegbox._sdk.job_logs import JobLog

        logs: dict[str, JobLog] = {}
        over: set[str] = set()

        def print_new_lines(progress: Progress) -> None:
            for trial in progress.trials:
                if trial.name in over:
                    continue
                log = logs.setdefault(trial.name, JobLog(self.client("logs"), trial.name))
                for line in log.new_lines():
                    print(f"{trial.name} | {line}")
                if trial.status not in ("InProgress", "Stopping"):
                    over.add(trial.name)

        return print_new_lines

    # -- training jobs

    def train(self, *args: Any, **kwargs: Any) -> None:
        """Start a single training job.

        Args:
            *args: Positional arguments of :func:`pegbox._sdk.requests.train_request`.
            **kwargs: Its keyword arguments.
        """
        request = requests.train_request(*args, **kwargs)
        refuse_variables(request)
        self.sagemaker_client.create_training_job(**request)

    def describe_training_job(self, job_name: str) -> dict[str, Any]:
        """Return the description of a training job."""
        answer: dict[str, Any] = self.sagemaker_client.describe_training_job(TrainingJobName=job_name)
        return answer

    def stop_training_job(self, job_name: str) -> None:
        """Stop a training job; one that has ended already is left as it is."""
        from botocore.exceptions import ClientError

        try:
            self.sagemaker_client.stop_training_job(TrainingJobName=job_name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationException":
                raise

    def wait_for_job(self, job: str, poll: float | None = None) -> dict[str, Any]:
        """Wait until a training job ends and return its description.

        Raises:
            UnexpectedStatusException: The job failed.
        """
        from pegbox._sdk import waiting

        pauses = waiting.pauses(poll, self.is_local)
        described = waiting.wait_for_training_job(self.sagemaker_client, job, pauses, revive=self._revive)
        waiting.check_status(job, described, "TrainingJobStatus")
        return described

    def logs_for_job(
        self, job_name: str, wait: bool = False, poll: float | None = None, log_type: str = "All"
    ) -> None:
        """Print the log of a training job.

        Args:
            job_name: Training-job name.
            wait: Follow it until the job ends.
            poll: Seconds between looks; by default 5, and less for the local server.
            log_type: ``All``, ``Training`` (the program's lines only), ``Rules`` (nothing here) or ``None``.

        Raises:
            UnexpectedStatusException: The job failed, and ``wait`` was asked for.
        """
        from pegbox._sdk import waiting
        from pegbox._sdk.job_logs import JobLog

        log = JobLog(self.client("logs"), job_name)
        shown = log_type in ("All", "Training")
        told = [""]

        def look(described: Mapping[str, Any]) -> None:
            stage = described.get("SecondaryStatus", "")
            if log_type == "All" and stage and stage != told[0]:
                told[0] = stage
                print(f"{job_name}: {stage}")
            for line in log.new_lines() if shown else ():
                print(line)

        if not wait:
            look(self.describe_training_job(job_name))
            return
        pauses = waiting.pauses(poll, self.is_local)
        described = waiting.wait_for_training_job(
            self.sagemaker_client, job_name, pauses, look, revive=self._revive
        )
        waiting.check_status(job_name, described, "TrainingJobStatus")

    def list_tags(self, resource_arn: str, max_results: int = 50) -> list[dict[str, str]]:
        """Return all tags of a resource.

        Args:
            resource_arn: Its ARN.
            max_results: Tags per page, at least 50.
        """
        found: list[dict[str, str]] = []
        token: dict[str, str] = {}
        while True:
            page = self.sagemaker_client.list_tags(ResourceArn=resource_arn, MaxResults=max_results, **token)
            found.extend(tag for tag in page["Tags"] if "aws:" not in tag["Key"])
            if not page.get("NextToken"):
                return found
            token = {"NextToken": page["NextToken"]}

    # -- roles

    def expand_role(self, role: str | None) -> str:
        """Return the ARN of a role.

        Args:
            role: ARN, bare name, or None for the local server's default role.

        Raises:
            ValueError: No role was given and the target needs one.
        """
        from pegbox._sdk.aws_account import role_arn

        return role_arn(self, role)

    def get_caller_identity_arn(self) -> str:
        """Return the ARN of the role behind this session's credentials."""
        from pegbox._sdk.aws_account import caller_role_arn

        return caller_role_arn(self)


def get_execution_role(sagemaker_session: Session | None = None) -> str:
    """Return the role ARN that jobs run under: the local server's default role, or the caller's role on AWS.

    Args:
        sagemaker_session: The session; a new one by default.

    Raises:
        ValueError: On AWS, the caller is no role.
    """
    from pegbox._sdk.aws_account import execution_role

    return execution_role(sagemaker_session or Session())


def _detached(job: str) -> str:
    return (
        f"\npegbox: no longer watching; {job} goes on.\n"
        f"  come back: HyperparameterTuner.attach({job!r}).wait()\n"
        f"  stop it:   pegbox stop {job}"
    )
