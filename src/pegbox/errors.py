"""Every exception that Pegbox raises on purpose.

::

    PegboxError
    ├── SpaceError                     ranges that make no search space (all problems listed)
    ├── HomeError                      the home folder cannot be used (permissions, network file system, full disk)
    │   ├── HomeInUse                  another server holds the home
    │   └── PortTaken                  the home's port belongs to a stranger
    ├── StoreError                     durable state cannot be read or written
    │   ├── StoreTooNew                written by a newer version; refused, never touched
    │   ├── StoreCorrupt               damaged; refused, never replaced
    │   └── StoreFull                  no space left; nothing was half-written
    ├── InvalidTransition              a status was to move along a way that is not in its graph (a fault of Pegbox)
    ├── ServerError                    a client could not reach or start its server
    │   └── VersionMismatch            an older server is busy
    ├── NotHere (also NotImplementedError)   documented by AWS, not offered by this version
    └── ApiError                       what an AWS client sees: code, message, HTTP status
        ├── ValidationException, SerializationException, UnknownOperationException, NotImplementedHere
        ├── ResourceInUse, ResourceNotFound, ResourceNotFoundException, ResourceLimitExceeded
        ├── ConflictException, ThrottlingException, ServiceUnavailable, InternalFailure
        ├── ValidationError, ModelError, ModelNotReadyException       (the runtime service's)
        └── AccessDeniedException, MissingAuthenticationToken, IncompleteSignature,
            UnrecognizedClient, InvalidSignature
"""

from __future__ import annotations

from collections.abc import Sequence


class PegboxError(Exception):
    """Root of all errors that Pegbox raises on purpose."""


class SpaceError(PegboxError, ValueError):
    """Parameter ranges that make no search space.

    Attributes:
        problems: Every problem found, each naming field, value and remedy.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class HomeError(PegboxError):
    """The home folder cannot be used; the message says why and what to do."""


class HomeInUse(HomeError):
    """Another server holds this home."""


class PortTaken(HomeError):
    """The port chosen for this home is used by another program."""


class StoreError(PegboxError):
    """Durable state cannot be read or written."""


class StoreTooNew(StoreError):
    """The store was written by a newer version of Pegbox; it is refused and left as it is."""


class StoreCorrupt(StoreError):
    """The store is damaged; it is refused and left as it is."""


class StoreFull(StoreError):
    """The disk is full or the store is read-only; the write was not made, not even in part."""


class InvalidTransition(PegboxError):
    """A status was to move along a way that is not in its graph; the message carries the object's history."""


class ServerError(PegboxError):
    """A client could not reach, start or use its server."""


class VersionMismatch(ServerError):
    """The running server has another version than this client and is busy."""


class NotHere(PegboxError, NotImplementedError):
    """Something the AWS SDK documents that this version does not offer; the message says what to do."""


class ApiError(PegboxError):
    """An error as an AWS client sees it.

    Attributes:
        code: The AWS error code that clients branch on.
        message: The text for people.
        status: HTTP status.
    """

    code = "InternalFailure"
    status = 400

    def __init__(self, message: str, *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class ValidationException(ApiError):
    """The request breaks a constraint; all problems are in the message."""

    code = "ValidationException"


class SerializationException(ApiError):
    """The body is not what the protocol says."""

    code = "SerializationException"


class UnknownOperationException(ApiError):
    """No AWS service of this kind has such an operation."""

    code = "UnknownOperationException"
    status = 404


class NotImplementedHere(ApiError):
    """AWS has this operation or option; this version of Pegbox does not."""

    code = "NotImplemented"
    status = 400


class ResourceInUse(ApiError):
    """The name is taken."""

    code = "ResourceInUse"


class ResourceNotFound(ApiError):
    """No such tuning or training job (the sagemaker service's spelling)."""

    code = "ResourceNotFound"


class ResourceNotFoundException(ApiError):
    """No such log group or stream (the logs service's spelling)."""

    code = "ResourceNotFoundException"


class ResourceLimitExceeded(ApiError):
    """A quota would be exceeded."""

    code = "ResourceLimitExceeded"


class ConflictException(ApiError):
    """The resource changed meanwhile."""

    code = "ConflictException"


class ThrottlingException(ApiError):
    """Too many requests; try again."""

    code = "ThrottlingException"


class ServiceUnavailable(ApiError):
    """The server cannot do this now (starting, stopping, disk full); nothing was changed."""

    code = "ServiceUnavailable"
    status = 503


class InternalFailure(ApiError):
    """A fault of Pegbox itself."""

    code = "InternalFailure"
    status = 500


class AccessDeniedException(ApiError):
    """Refused: foreign Host or Origin, or no right."""

    code = "AccessDeniedException"
    status = 403


class MissingAuthenticationToken(ApiError):
    """The request is not signed."""

    code = "MissingAuthenticationTokenException"
    status = 403


class IncompleteSignature(ApiError):
    """The signature's fields are malformed or incomplete."""

    code = "IncompleteSignatureException"
    status = 400


class UnrecognizedClient(ApiError):
    """No such access key."""

    code = "UnrecognizedClientException"
    status = 403


class InvalidSignature(ApiError):
    """The signature does not match, or its time is outside the window."""

    code = "InvalidSignatureException"
    status = 403


class ValidationError(ApiError):
    """The request breaks a constraint (the runtime service's spelling)."""

    code = "ValidationError"


class ModelNotReadyException(ApiError):
    """The model is being loaded; try again."""

    code = "ModelNotReadyException"
    status = 429


class ModelError(ApiError):
    """A model server answered with an error, or not at all.

    Attributes:
        original_status: HTTP status of the model server; 0 where there was no answer.
        original_message: What it said, or what happened.
        log_stream_arn: Where its log is.
    """

    code = "ModelError"
    status = 424

    def __init__(
        self, message: str, *, original_status: int, original_message: str, log_stream_arn: str
    ) -> None:
        super().__init__(message)
        self.original_status = original_status
        self.original_message = original_message
        self.log_stream_arn = log_stream_arn
