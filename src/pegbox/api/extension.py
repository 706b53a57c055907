"""What our own command line needs beyond AWS: operations with the target prefix ``Pegbox``, signed like all others.

They are described by a service model of the same form as AWS's, so that ``wire`` reads, checks and writes them like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from pegbox.api.paging import Handler
from pegbox.engine import Engine
from pegbox.errors import ApiError, PegboxError, ValidationException
from pegbox.wire import ServiceModel
from pegbox.wire.model import build, prune

#: Name under which the dispatch table knows these operations.
SERVICE = "pegbox"


class ServerControl(Protocol):
    """The server as a process, as its owner's commands see it."""

    def describe(self) -> Mapping[str, Any]:
        """Return facts about the running server, as plain JSON data."""
        ...

    def keep(self) -> None:
        """Do not end by yourself any more."""
        ...

    def offer_s3(self) -> None:
        """Offer the buckets over S3 from now on.

        Raises:
            PegboxError: That cannot be done; the message says why.
        """
        ...


def _structure(required: tuple[str, ...] = (), **members: str) -> dict[str, Any]:
    refs = {name: {"shape": shape} for name, shape in members.items()}
    return {"type": "structure", "required": list(required), "members": refs}


_DESCRIPTION: dict[str, Any] = {
    "metadata": {
        "apiVersion": "2026-11-01",
        "endpointPrefix": "pegbox",
        "protocol": "json",
        "jsonVersion": "1.1",
        "serviceId": "Pegbox",
        "signingName": "sagemaker",
        "targetPrefix": "Pegbox",
    },
    "operations": {
        "DescribeServer": {"output": {"shape": "DescribeServerResponse"}},
        "KeepServer": {},
        "OfferS3": {},
        "ListImages": {"output": {"shape": "ListImagesResponse"}},
        "PutImage": {"input": {"shape": "PutImageRequest"}},
        "DeleteImage": {"input": {"shape": "DeleteImageRequest"}},
        "ExplainJob": {"input": {"shape": "ExplainJobRequest"}, "output": {"shape": "ExplainJobResponse"}},
        "ExplainEndpoint": {
            "input": {"shape": "ExplainJobRequest"},
            "output": {"shape": "ExplainJobResponse"},
        },
        "CreateKey": {"input": {"shape": "CreateKeyRequest"}, "output": {"shape": "KeyResponse"}},
        "ListKeys": {"output": {"shape": "ListKeysResponse"}},
        "SetKeyState": {"input": {"shape": "SetKeyStateRequest"}, "output": {"shape": "KeyResponse"}},
        "OpenDataKey": {"input": {"shape": "OpenDataKeyRequest"}, "output": {"shape": "OpenDataKeyResponse"}},
    },
    "shapes": {
        "DescribeServerResponse": _structure(Server="Document"),
        "ListImagesResponse": _structure(Images="Document", BuiltIn="Document"),
        "PutImageRequest": _structure(("Name", "Runtime"), Name="ImageName", Runtime="Runtime"),
        "DeleteImageRequest": _structure(("Name",), Name="ImageName"),
        "ExplainJobRequest": _structure(("Name",), Name="JobName"),
        "ExplainJobResponse": _structure(Explanation="Document"),
        "CreateKeyRequest": _structure(("Name",), Name="Text", Command="Command"),
        "SetKeyStateRequest": _structure(("Key", "Enabled"), Key="Text", Enabled="Flag"),
        "OpenDataKeyRequest": _structure(("Key", "Wrapped"), Key="Text", Wrapped="Text"),
        "KeyResponse": _structure(Key="Document"),
        "ListKeysResponse": _structure(Keys="Document"),
        "OpenDataKeyResponse": _structure(Plain="Text"),
        "Flag": {"type": "boolean"},
        "Runtime": _structure(
            ("Kind",), Kind="RuntimeKind", Command="Command", Python="Text", Framework="Text"
        ),
        "Document": {"type": "structure", "members": {}, "document": True},
        "RuntimeKind": {"type": "string", "enum": ["command", "script"]},
        "Command": {"type": "list", "member": {"shape": "Argument"}, "min": 1, "max": 100},
        "Argument": {"type": "string", "max": 4096},
        "ImageName": {"type": "string", "min": 1, "max": 255, "pattern": r"[\S]+"},
        "JobName": {"type": "string", "min": 1, "max": 63},
        "Text": {"type": "string", "min": 1, "max": 4096},
    },
}


def extension_model() -> ServiceModel:
    """Return the service model of these operations."""
    return build(SERVICE, prune(_DESCRIPTION, _DESCRIPTION["operations"]))


def handlers(engine: Engine, server: ServerControl) -> dict[str, Handler]:
    """Return the handlers of these operations by operation name."""

    def describe_server(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Server": server.describe()}

    def keep_server(params: Mapping[str, Any]) -> None:
        server.keep()

    def offer_s3(params: Mapping[str, Any]) -> None:
        try:
            server.offer_s3()
        except ApiError:
            raise
        except PegboxError as error:
            raise ValidationException(str(error)) from error

    def list_images(params: Mapping[str, Any]) -> Mapping[str, Any]:
        table = engine.queries.images()
        return {"Images": table["images"], "BuiltIn": table["built_in"]}

    def put_image(params: Mapping[str, Any]) -> None:
        engine.commands.set_image(params["Name"], _runtime(params["Runtime"]))

    def delete_image(params: Mapping[str, Any]) -> None:
        if params["Name"] not in engine.queries.images()["images"]:
            raise ValidationException(
                f"Name = {params['Name']!r}: there is no such image; 'pegbox images' lists them"
            )
        engine.commands.set_image(params["Name"], None)

    def explain_job(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Explanation": engine.queries.explain(params["Name"])}

    def explain_endpoint(params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"Explanation": engine.hosting_queries.explain_endpoint(params["Name"])}

    return {
        "DescribeServer": describe_server,
        "KeepServer": keep_server,
        "OfferS3": offer_s3,
        "ListImages": list_images,
        "PutImage": put_image,
        "DeleteImage": delete_image,
        "ExplainJob": explain_job,
        "ExplainEndpoint": explain_endpoint,
    }


def _runtime(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the engine's form of a runtime.

    Raises:
        ValidationException: A part is missing or does not belong to the kind.
    """
    wanted, foreign = {
        "command": (("Command",), ("Python", "Framework")),
        "script": (("Python",), ("Command",)),
    }[given["Kind"]]
    problems = [f"Runtime.{name}: needed for kind {given['Kind']!r}" for name in wanted if name not in given]
    problems += [
        f"Runtime.{name}: not possible for kind {given['Kind']!r}; leave it out"
        for name in foreign
        if name in given
    ]
    if problems:
        raise ValidationException("; ".join(problems))
    names = {"Kind": "kind", "Command": "command", "Python": "python", "Framework": "framework"}
    return {names[key]: value for key, value in given.items()}
