"""What an executor is told to run: one attempt of a training job, or one instance of an endpoint, with every address resolved.

An order is plain data: it goes to the agent as JSON and lies in the attempt directory as ``order.json`` (0600).
It can be rebuilt from the store at any time; the token is derived, not stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelOrder:
    """One input channel."""

    name: str
    #: Where the data lies on this machine (a file or a folder); it is linked, not copied.
    path: str
    uri: str
    content_type: str = ""
    input_mode: str = "File"
    distribution: str = "FullyReplicated"
    record_wrapper: str = "None"
    compression: str = "None"
    #: ``S3Prefix`` (every object whose key starts with the address), ``ManifestFile`` or ``AugmentedManifestFile``.
    data_type: str = "S3Prefix"
    #: Of a ManifestFile: (name within the channel, local path) of each object. Of an AugmentedManifestFile: (address, local
    #: path) of each object that its ``-ref`` attributes name.
    objects: tuple[tuple[str, str], ...] = ()
    #: Of an AugmentedManifestFile: which attributes of a line are fed, in this order.
    attributes: tuple[str, ...] = ()
    #: Pipe mode: the objects (or lines) are fed in an order of their own in each epoch; None for the order of their keys.
    shuffle_seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeOrder:
    """How the program is run."""

    #: ``script``: the script-mode contract of the training toolkit; ``command``: this command plus ``train``-like arguments.
    kind: str
    #: Interpreter for ``script``.
    python: str = ""
    #: Argument vector for ``command``.
    command: tuple[str, ...] = ()
    #: Framework module name for SM_FRAMEWORK_MODULE, where the image is a framework's.
    framework: str = ""
    #: Name of the built-in algorithm that the command is, or nothing.
    algorithm: str = ""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RuntimeOrder:
        """Return the runtime of an order's plain data."""
        return cls(**{**data, "command": tuple(data["command"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOrder:
    """Everything an agent needs to run one attempt."""

    attempt_id: str
    #: 64 hex digits; fences reports of other attempts.
    token: str
    training_job_id: int
    training_job_name: str
    training_job_arn: str
    attempt: int
    #: Attempt directory on the machine that runs it.
    directory: str
    runtime: RuntimeOrder
    #: All hyperparameters (static and tuned) as text, exactly as the client gave them.
    hyperparameters: Mapping[str, str]
    channels: tuple[ChannelOrder, ...] = ()
    #: Local path of the code archive (tar.gz) for script mode, or None.
    code_archive: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    #: ``{"Name", "Regex"}`` items of the request.
    metric_definitions: tuple[Mapping[str, str], ...] = ()
    objective_metric: str | None = None
    #: Wall-clock seconds left for this attempt (StoppingCondition minus earlier attempts), or None.
    max_runtime_seconds: float | None = None
    #: Seconds between SIGTERM and SIGKILL.
    grace_seconds: float = 120.0
    #: Prefix under which artifacts will be published, for information to the program.
    output_uri: str = ""
    #: Folder kept across the attempts of the job, linked to ``LocalPath`` (default /opt/ml/checkpoints), or None.
    checkpoint_path: str | None = None
    checkpoint_local_path: str = "/opt/ml/checkpoints"
    instance_type: str = "local"
    instance_count: int = 1
    region: str = "us-east-1"
    #: Where an attempt may cache environments (requirements.txt) and unpacked code, by content hash.
    cache_path: str = ""
    #: Folder on memory-backed storage where ``opt/ml`` lies in place of the directory, for jobs with keys; or nothing.
    memory_path: str = ""
    #: ``sealing.DataKey.to_json()`` by archive, ``model`` and ``output``: secrets, see :meth:`to_disk`.
    seals: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Why the attempt cannot run, found when the order was made; it then fails with these words.
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the order as plain JSON data."""
        return asdict(self)

    def to_disk(self) -> dict[str, Any]:
        """Return the order as it may lie on disk: without the keys that seal what it makes."""
        return {**asdict(self), "seals": {}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AttemptOrder:
        """Return the order that :meth:`to_json` wrote."""
        fields = dict(data)
        fields["runtime"] = RuntimeOrder.from_json(fields["runtime"])
        fields["channels"] = tuple(_channel(item) for item in fields["channels"])
        fields["metric_definitions"] = tuple(fields["metric_definitions"])
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingOrder:
    """Everything an agent needs to run one instance of an endpoint's variant: a model server.

    An executor treats it as it treats an attempt: one start, one ``finished`` event. Its agent reports ``ready`` with the
    server's address once ``/ping`` answers, and ends a server that stops answering.
    """

    #: Tells an agent which kind of order it has; attempts of training jobs carry no ``kind``.
    kind: str = "serving"
    attempt_id: str
    #: 64 hex digits; fences reports of other instances.
    token: str
    #: Row id of the instance; also its name in log streams, as ``i-<id>``.
    instance_id: int
    endpoint_name: str
    endpoint_arn: str
    variant: str
    model_name: str
    #: The instance's folder on the machine that runs it; ``log`` in it is the log stream.
    directory: str
    runtime: RuntimeOrder
    #: Local path of ``model.tar.gz``, unpacked to ``opt/ml/model``; None where the container has no model data.
    model_archive: str | None = None
    #: Local path of the code archive (``SAGEMAKER_SUBMIT_DIRECTORY`` elsewhere than in the model), or None.
    code_archive: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    #: Seconds until ``/ping`` must have answered 200.
    startup_seconds: float = 240.0
    #: Seconds between SIGTERM and SIGKILL.
    grace_seconds: float = 30.0
    instance_type: str = "local"
    #: Accelerator of the variant (``AcceleratorType``), as the server's settings describe it, or nothing.
    accelerator: Mapping[str, str] = field(default_factory=dict)
    region: str = "us-east-1"
    #: Where environments (requirements.txt) and unpacked code are cached, by content hash.
    cache_path: str = ""
    #: Folder on memory-backed storage where ``opt/ml`` lies in place of the directory, where keys ask for it; or nothing.
    memory_path: str = ""
    #: ``sealing.DataKey.to_json()`` that opens a sealed model archive: a secret, see :meth:`to_disk`.
    unseal: Mapping[str, str] = field(default_factory=dict)
    #: Why the instance cannot run, found when the order was made; it then fails with these words.
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the order as plain JSON data."""
        return asdict(self)

    def to_disk(self) -> dict[str, Any]:
        """Return the order as it may lie on disk: without the key that opens the model."""
        return {**asdict(self), "unseal": {}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ServingOrder:
        """Return the order that :meth:`to_json` wrote."""
        return cls(**{**data, "runtime": RuntimeOrder.from_json(data["runtime"])})


#: What an executor runs.
Order = AttemptOrder | ServingOrder


def _channel(item: Mapping[str, Any]) -> ChannelOrder:
    objects = tuple((str(name), str(path)) for name, path in item.get("objects") or ())
    return ChannelOrder(**{**item, "objects": objects, "attributes": tuple(item.get("attributes") or ())})
