"""The lock on a home and the check of its file system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pegbox.errors import HomeError, HomeInUse
from pegbox.store import HomeLock, check_home_filesystem

_HOLDER = """
import sys
from pathlib import Path
from pegbox.store import HomeLock
lock = HomeLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""
_TABLE = r"""
/dev/vda / ext4 rw 0 0
server:/export /home nfs4 rw 0 0
/dev/vdb /home/ann/disk ext4 rw 0 0
me@host:/x /mnt/remote\040files fuse.sshfs rw 0 0
//nas/share /srv/nas cifs rw 0 0
/dev/sdc1 /media/stick fuseblk rw 0 0
tmpfs /srv/nas/scratch tmpfs rw 0 0
s3 /cloud fuse.rclone rw 0 0
/dev/vdc /over ext4 rw 0 0
server:/o /over nfs rw 0 0
"""


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    """A second lock is refused, naming the holder; after release, or entering anew, it can be had."""
    first, second = HomeLock(tmp_path / "server.lock"), HomeLock(tmp_path / "server.lock")
    with first:
        assert first.held
        first.acquire()
        with pytest.raises(HomeInUse, match=f"process {os.getpid()}.*PEGBOX_HOME"):
            second.acquire()
        assert not second.held
    assert not first.held
    with second:
        assert second.held
    second.release()


def test_a_killed_holder_leaves_nothing_to_clean_up(tmp_path: Path) -> None:
    """The kernel drops the lock of a killed process at once, and the file is private."""
    path = tmp_path / "server.lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(HomeInUse, match=f"process {holder.pid}"):
        HomeLock(path).acquire()
    holder.kill()
    holder.communicate()
    with HomeLock(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_children_do_not_keep_the_lock(tmp_path: Path) -> None:
    """A program that the holder started and that outlives it does not hold the home."""
    lock = HomeLock(tmp_path / "server.lock")
    lock.acquire()
    child = subprocess.Popen(["sleep", "60"])
    lock.release()
    try:
        with HomeLock(tmp_path / "server.lock"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_home_that_cannot_be_locked_is_named(tmp_path: Path) -> None:
    """A folder that is not there is an error about the home."""
    with pytest.raises(HomeError, match="nowhere"):
        HomeLock(tmp_path / "nowhere" / "server.lock").acquire()


@pytest.mark.parametrize(
    ("home", "kind"),
    [
        ("/root/.pegbox", None),
        ("/home/ann/.pegbox", "nfs4"),
        ("/home/ann/disk/.pegbox", None),
        ("/home/ann/diskette/.pegbox", "nfs4"),
        ("/mnt/remote files/.pegbox", "fuse.sshfs"),
        ("/srv/nas/.pegbox", "cifs"),
        ("/srv/nas/scratch/.pegbox", None),
        ("/media/stick/.pegbox", None),
        ("/cloud/.pegbox", "fuse.rclone"),
        ("/over/.pegbox", "nfs"),
    ],
)
def test_network_homes_are_refused(tmp_path: Path, home: str, kind: str | None) -> None:
    """The mount that really holds the home decides: the longest one above it, and the last of several there."""
    table = tmp_path / "mounts"
    table.write_text(_TABLE)
    if kind is None:
        check_home_filesystem(Path(home), table=table)
        return
    with pytest.raises(HomeError, match=rf"network file system \({kind},.*PEGBOX_HOME"):
        check_home_filesystem(Path(home), table=table)


def test_links_are_followed(tmp_path: Path) -> None:
    """A link on a local disk to a folder on a network file system is refused."""
    far, link, table = tmp_path / "far", tmp_path / "link", tmp_path / "mounts"
    far.mkdir()
    link.symlink_to(far)
    table.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {os.path.realpath(far)} nfs rw 0 0\n")
    check_home_filesystem(tmp_path / "near", table=table)
    with pytest.raises(HomeError):
        check_home_filesystem(link / ".pegbox", table=table)


def test_this_machine_and_one_without_a_table_are_fine(tmp_path: Path) -> None:
    """The real table of mounts can be read, and where there is none nothing is refused."""
    check_home_filesystem(tmp_path)
    check_home_filesystem(tmp_path, table=tmp_path / "no such table")
