"""Settings of a session."""

from __future__ import annotations

from typing import Any

__all__ = ["SessionSettings"]


class SessionSettings:
    """Settings of a session in version 2 of the AWS SDK.

    Args:
        encrypt_repacked_artifacts: Encrypt a model archive that is packed anew with the estimator's ``output_kms_key``.
        local_download_dir: Folder for files on their way.
    """

    def __init__(
        self, encrypt_repacked_artifacts: bool = True, local_download_dir: str | None = None
    ) -> None:
        self.encrypt_repacked_artifacts = encrypt_repacked_artifacts
        self.local_download_dir = local_download_dir


def settings_of(session: Any) -> SessionSettings:
    """Return a session's settings; stand-ins of a session have those of a new one.

    Args:
        session: The session.
    """
    settings = getattr(session, "settings", None)
    return settings if isinstance(settings, SessionSettings) else SessionSettings()
