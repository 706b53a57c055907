"""One server per home, by a lock of the operating system on ``server.lock``."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from types import TracebackType

from pegbox.errors import HomeError, HomeInUse


class HomeLock:
    """Holds a home for this process until it is released or the process ends, however it ends.

    The kernel drops the lock with the last descriptor, so a killed server leaves nothing to clean up. The file holds the owner's
    process id, for people to read; nothing decides by it. Programs that the holder starts do not inherit the lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock, or fail at once.

        Raises:
            HomeInUse: Another process (or another lock object of this one) holds it.
            HomeError: The file cannot be opened or locked here.
        """
        if self._descriptor is not None:
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise HomeError(
                f"cannot open {self._path}: {error.strerror}; check the home's permissions"
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise HomeInUse(
                    f"{self._path.parent} is in use by another server (process {owner or 'unknown'}); "
                    "use that one, stop it with 'pegbox server stop', or set PEGBOX_HOME to another folder"
                ) from None
            raise HomeError(
                f"cannot lock {self._path}: {error.strerror}; use a folder on a local disk"
            ) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock up; nothing happens if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> HomeLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
