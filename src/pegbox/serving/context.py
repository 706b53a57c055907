"""What handlers may know of a request besides its body, and say about its answer."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Mapping


class Context:
    """The optional last argument of every function that a script defines.

    Attributes:
        model_dir: Folder of the model.
        system_properties: ``model_dir`` and ``gpu_id`` as the inference toolkit has them.
        response_content_type: Type of the answer, where a handler set one.
        response_headers: Further headers of the answer, where a handler set some.
        response_status: Status of the answer, where a handler set one.
    """

    def __init__(self, model_dir: str, headers: Mapping[str, str] | None = None) -> None:
        self.model_dir = model_dir
        self.system_properties: dict[str, Any] = {"model_dir": model_dir, "gpu_id": None}
        self._headers = headers or {}
        self.response_content_type: str | None = None
        self.response_headers: dict[str, str] = {}
        self.response_status: int | None = None

    @property
    def request_processor(self) -> list[Context]:
        """The same object in the place where the toolkit keeps what knows the request."""
        return [self]

    def get_request_header(self, name: str, index: int = 0) -> str | None:
        """Return a request header, or None."""
        return self._headers.get(name.lower())

    def get_all_request_header(self, index: int = 0) -> dict[str, str]:
        """Return all request headers, by lower-case name."""
        return dict(self._headers)

    def get_request_properties(self) -> dict[str, str]:
        """Return all request headers, by lower-case name."""
        return dict(self._headers)

    def set_response_content_type(self, index: int, value: str) -> None:
        """Set the answer's type."""
        self.response_content_type = value

    def set_response_header(self, index: int, name: str, value: str) -> None:
        """Set a header of the answer, such as ``X-Amzn-SageMaker-Custom-Attributes``."""
        self.response_headers[name] = value

    def set_response_status(self, code: int = 200, phrase: str = "", index: int = 0) -> None:
        """Set the answer's status."""
        self.response_status = code
