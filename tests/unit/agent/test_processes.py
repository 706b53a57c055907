"""Which processes live, and ending them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pegbox.agent import processes
from pegbox.agent.durable import read_object, remove_tree, write_object


def test_identity() -> None:
    """A process is itself only with its start time and boot; an ended one is dead before it is reaped."""
    child = subprocess.Popen(["sleep", "60"])
    started = processes.start_time(child.pid)
    assert started is not None
    assert processes.is_alive(child.pid, started, processes.boot_id())
    assert not processes.is_alive(child.pid, started + 1, processes.boot_id())
    assert not processes.is_alive(child.pid, started, "another boot")
    child.kill()
    while processes.start_time(child.pid) is not None:
        time.sleep(0.001)
    assert not processes.is_alive(child.pid, started, processes.boot_id())
    child.wait()


def test_subreaper_both_ways() -> None:
    """The fast way and the plain way both make a process a child subreaper."""
    code = (
        "import ctypes; from pegbox.agent import processes\n"
        "assert {call}\n"
        "value = ctypes.c_int(); ctypes.CDLL(None).prctl(37, ctypes.byref(value), 0, 0, 0)\n"
        "assert value.value == 1\n"
    )
    for call in ("processes.become_subreaper()", "processes._become_subreaper_plainly((36, 1, 0, 0, 0))"):
        subprocess.run([sys.executable, "-c", code.replace("{call}", call)], check=True)
    assert ctypes.sizeof(ctypes.c_int) == 4


FORKER = """
import os, time
while True:
    if os.fork() == 0:
        time.sleep(0.02)
        if os.fork():
            os._exit(0)
        os.setsid()
        time.sleep(0.05)
        os._exit(0)
    time.sleep(0.01)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
"""


def test_ending_a_program_that_forks_all_the_time() -> None:
    """Processes that keep forking into new sessions are all ended."""
    mark = os.urandom(16).hex()
    child = subprocess.Popen(
        [sys.executable, "-c", FORKER], env={processes.MARK: mark}, start_new_session=True
    )
    while len(processes.marked(mark)) < 4:
        time.sleep(0.01)
    left = processes.end_all(lambda: processes.attempt_processes(mark, child.pid), child.poll)
    assert left == set()
    time.sleep(0.1)
    assert processes.marked(mark) == set()
    child.wait()


def test_only_the_marked_are_found() -> None:
    """A mark is the whole variable, not a part of one; session 0 and this process are never an attempt's."""
    mark = os.urandom(16).hex()
    other = subprocess.Popen(["sleep", "60"], env={"X" + processes.MARK: mark, processes.MARK: mark + "0"})
    try:
        assert processes.attempt_processes(mark, None) == set()
    finally:
        other.kill()
        other.wait()


def test_removing_what_a_program_locked(tmp_path: Path) -> None:
    """Folders without rights are removed all the same, and links are not followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    folder = tmp_path / "tree" / "locked"
    folder.mkdir(parents=True)
    (folder / "file").write_text("x")
    (folder / "link").symlink_to(outside)
    folder.chmod(0)
    remove_tree(str(tmp_path / "tree"))
    remove_tree(str(tmp_path / "tree"))
    assert (outside / "kept").exists()
    assert not (tmp_path / "tree").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_torn_record_is_no_record(content: bytes, tmp_path: Path) -> None:
    """A record that is not whole counts as missing."""
    path = tmp_path / "r.json"
    path.write_bytes(content)
    assert read_object(str(path)) is None
    write_object(str(path), {"a": 1}, sync=True)
    assert read_object(str(path)) == {"a": 1}
