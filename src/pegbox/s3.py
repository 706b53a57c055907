"""Files in storage, by their addresses: ``S3Uploader`` and ``S3Downloader``."""

from __future__ import annotations

import io
import os
from typing import Any
from urllib.parse import urlsplit

from pegbox._sdk.old_names import accepts_old_names
from pegbox.session import Session

__all__ = ["S3Downloader", "S3Uploader", "parse_s3_url", "s3_path_join"]

_OLD = {"session": "sagemaker_session"}


def parse_s3_url(url: str) -> tuple[str, str]:
    """Return bucket and key of an address.

    Args:
        url: ``s3://bucket/key``.

    Raises:
        ValueError: It is no such address.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3":
        raise ValueError(f"Expecting 's3' scheme, got: {parts.scheme} in {url}.")
    return parts.netloc, parts.path.lstrip("/")


def s3_path_join(*args: str, with_end_slash: bool = False) -> str:
    """Return parts of a path as one, with one slash between each.

    Args:
        *args: The parts; the first may be ``s3://`` or an address.
        with_end_slash: End with a slash.
    """
    lead = "s3://" if args and args[0].startswith("s3://") else ""
    parts = [part.removeprefix("s3://") if index == 0 else part for index, part in enumerate(args)]
    path = "/".join(piece for part in parts for piece in part.split("/") if piece)
    return lead + path + ("/" if with_end_slash and path else "")


class S3Uploader:
    """Puts files and texts into storage."""

    @staticmethod
    @accepts_old_names(_OLD)
    def upload(
        local_path: str | os.PathLike[str],
        desired_s3_uri: str,
        kms_key: str | None = None,
        sagemaker_session: Any = None,
    ) -> str:
        """Store a file, or a folder with everything below it, and return its address.

        Args:
            local_path: File or folder.
            desired_s3_uri: Where it goes.
            kms_key: KMS key that encrypts the objects (not for the local server).
            sagemaker_session: The session; a new one by default. In version 1 of the AWS SDK ``session``.
        """
        bucket, prefix = parse_s3_url(desired_s3_uri)
        extra = {"SSEKMSKeyId": kms_key, "ServerSideEncryption": "aws:kms"} if kms_key else None
        address: str = (sagemaker_session or Session()).upload_data(
            path=local_path, bucket=bucket, key_prefix=prefix, extra_args=extra
        )
        return address

    @staticmethod
    @accepts_old_names(_OLD)
    def upload_string_as_file_body(
        body: str, desired_s3_uri: str, kms_key: str | None = None, sagemaker_session: Any = None
    ) -> str:
        """Store text as an object and return its address.

        Args:
            body: The text.
            desired_s3_uri: Address of the object.
            kms_key: KMS key that encrypts it (not for the local server).
            sagemaker_session: The session; a new one by default.
        """
        bucket, key = parse_s3_url(desired_s3_uri)
        (sagemaker_session or Session()).upload_string_as_file_body(
            body=body, bucket=bucket, key=key, kms_key=kms_key
        )
        return desired_s3_uri

    @staticmethod
    def upload_bytes(
        b: bytes | io.BytesIO, s3_uri: str, kms_key: str | None = None, sagemaker_session: Any = None
    ) -> str:
        """Store bytes as an object and return its address.

        Args:
            b: The bytes, or what they can be read from.
            s3_uri: Address of the object.
            kms_key: KMS key that encrypts it (not for the local server).
            sagemaker_session: The session; a new one by default.
        """
        bucket, key = parse_s3_url(s3_uri)
        extra = {"SSEKMSKeyId": kms_key, "ServerSideEncryption": "aws:kms"} if kms_key else None
        data = b if isinstance(b, bytes) else b.read()
        (sagemaker_session or Session()).storage.put_bytes(bucket, key, data, extra)
        return s3_uri


class S3Downloader:
    """Gets files and texts from storage."""

    @staticmethod
    @accepts_old_names(_OLD)
    def download(
        s3_uri: str,
        local_path: str | os.PathLike[str],
        kms_key: str | None = None,
        sagemaker_session: Any = None,
    ) -> list[str]:
        """Fetch an object, or all objects below a prefix, into a folder and return the paths written.

        Args:
            s3_uri: Its address.
            local_path: The folder.
            kms_key: Not supported; S3 knows the key that encrypted an object.
            sagemaker_session: The session; a new one by default.

        Raises:
            ValueError: ``kms_key`` was given.
        """
        if kms_key:
            raise ValueError("kms_key is not supported for downloads: S3 finds the key itself; leave it out")
        bucket, prefix = parse_s3_url(s3_uri)
        written: list[str] = (sagemaker_session or Session()).download_data(
            path=os.fspath(local_path), bucket=bucket, key_prefix=prefix
        )
        return written

    @staticmethod
    @accepts_old_names(_OLD)
    def read_file(s3_uri: str, sagemaker_session: Any = None) -> str:
        """Return an object as text.

        Args:
            s3_uri: Its address.
            sagemaker_session: The session; a new one by default.
        """
        bucket, key = parse_s3_url(s3_uri)
        return str((sagemaker_session or Session()).read_s3_file(bucket=bucket, key_prefix=key))

    @staticmethod
    def read_bytes(s3_uri: str, sagemaker_session: Any = None) -> bytes:
        """Return an object's bytes.

        Args:
            s3_uri: Its address.
            sagemaker_session: The session; a new one by default.
        """
        bucket, key = parse_s3_url(s3_uri)
        return bytes((sagemaker_session or Session()).storage.get_bytes(bucket, key))

    @staticmethod
    @accepts_old_names(_OLD)
    def list(s3_uri: str, sagemaker_session: Any = None) -> list[str]:
        """Return the addresses of all objects below a prefix.

        Args:
            s3_uri: The prefix's address.
            sagemaker_session: The session; a new one by default.
        """
        bucket, prefix = parse_s3_url(s3_uri)
        keys = (sagemaker_session or Session()).list_s3_files(bucket=bucket, key_prefix=prefix)
        return [f"s3://{bucket}/{key}" for key in keys]
