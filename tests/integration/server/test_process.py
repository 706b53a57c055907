"""The server as a process: one per home, its port, its files, its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psutil
import pytest

from pegbox.testing.lab import tuning_request

RANGES = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
SLOW = "import time\nprint('objective=1', flush=True)\ntime.sleep(600)\n"


def command(server: Any, *words: str) -> subprocess.Popen[str]:
    """Start a ``pegbox`` command without waiting for it."""
    return subprocess.Popen(
        [sys.executable, "-m", "pegbox.cli", *words],
        env=server.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def alive(pid: int) -> bool:
    """Return whether a process runs; the remains of one that ended do not count."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_eight_racing_starts_end_with_one_server(
    unstarted: Any, processes_of: Callable[[Path], list[psutil.Process]]
) -> None:
    """However many processes start the server of a new home at once, all are told of the same one."""
    racers = [command(unstarted, "server", "start", "--auto", "--json") for _ in range(8)]
    states = []
    for racer in racers:
        out, err = racer.communicate()
        assert racer.returncode == 0, err
        states.append(json.loads(out))
    assert len({(state["pid"], state["url"]) for state in states}) == 1
    assert {state["state"] for state in states} == {"running"}
    servers = [
        item for item in processes_of(unstarted.home) if "pegbox.bootstrap" in " ".join(item.cmdline())
    ]
    assert [item.pid for item in servers] == [states[0]["pid"]]


def test_a_second_server_is_refused(server: Any) -> None:
    """A second process on the same home ends with an error that names the first, and disturbs nothing."""
    second = subprocess.run(
        [sys.executable, "-m", "pegbox.bootstrap"],
        env=server.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"in use by another server (process {server.facts['pid']}" in second.stderr
    assert "Traceback" not in second.stderr
    assert server.client().list_training_jobs()["TrainingJobSummaries"] == []


def test_the_server_leaves_nothing_open(server: Any) -> None:
    """Every file of the home is its owner's alone, whatever the umask, and so is the socket of agents."""
    for path in [server.home, *server.home.rglob("*")]:
        with contextlib.suppress(FileNotFoundError):
            assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path


def test_key_files_cannot_be_read_by_another_user(server: Any) -> None:
    """A process of another user can neither list the home nor read a key, even where the folders above are open."""
    server.home.parent.chmod(0o755)
    code = (
        "import os, sys\nos.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "for name in ('', 'credentials.json', 'secret', 'pegbox.db', 'server.json', 'settings.toml'):\n"
        "    try: os.open(os.path.join(sys.argv[1], name), os.O_RDONLY)\n"
        "    except PermissionError: continue\n"
        "    print('read', name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(server.home)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("", 0), done.stderr


def test_the_server_loads_no_numerics(server: Any) -> None:
    """No library of numerics, of migrations or of the SDK is mapped into the server process or open in it."""
    maps = Path(f"/proc/{server.facts['pid']}/maps").read_text()
    assert "uvloop" in maps
    for name in ("numpy", "scipy", "pandas"):
        assert f"site-packages/{name}" not in maps
    code = (
        "import sys, contextlib, tempfile; from pathlib import Path; from pegbox.bootstrap import server; "
        "from pegbox.bootstrap.home import Home; from pegbox.settings import Settings\n"
        "with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:\n"
        "    home = Home(Path(folder) / 'home'); home.prepare(); server.open_engine(stack, home, Settings(), b'x' * 32)\n"
        "print(*(name for name in ('numpy', 'alembic', 'boto3', 'botocore', 'pegbox.tuner') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_metrics_of_deleted_endpoints_are_pruned(
    make_server: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    """A server that starts removes the figures of an endpoint that is gone for long, and keeps those of one just gone."""
    server = make_server()
    server.stop()
    metrics = server.home / "gateway" / "metrics"
    today = f"{datetime.now(timezone.utc):%Y%m%d}"
    for endpoint_id, day in ((7, "20200101"), (8, today)):
        (metrics / str(endpoint_id)).mkdir(parents=True)
        (metrics / str(endpoint_id) / f"{day}.jsonl").touch()
    server.start()
    wait_until(lambda: not (metrics / "7").exists())
    assert (metrics / "8" / f"{today}.jsonl").exists()
    assert "1 files of old metrics are removed" in (server.home / "logs" / "server.log").read_text()


def test_server_json_says_where_and_who(server: Any) -> None:
    """server.json has what clients read, and the address answers with the home's own id."""
    facts = server.facts
    assert facts["home"] == str(server.home)
    assert facts["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert psutil.Process(facts["pid"]).is_running()
    with urlopen(facts["url"] + "/healthz") as answer:
        assert json.loads(answer.read())["version"] == facts["version"]


def test_stop_start_and_kill_keep_port_and_key(server: Any) -> None:
    """After a clean stop server.json is gone; after kill -9 it is not believed; the next server has the same port and key."""
    before, keys = server.facts, server.keys
    server.stop()
    assert not (server.home / "server.json").exists()
    assert not alive(before["pid"])
    server.stop()
    server.start()
    assert (server.url, server.keys) == (before["url"], keys)
    server.kill()
    assert json.loads(server.pegbox("server", "status", "--json").stdout)["state"] == "stopped"
    server.start()
    assert (server.url, server.keys) == (before["url"], keys)


def test_a_port_taken_by_a_stranger_is_a_clear_error(server: Any) -> None:
    """The server does not move: it names the port and the remedy, and starts when the stranger is gone."""
    port = int(server.url.rpartition(":")[2])
    server.stop()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        done = server.pegbox("server", "start", check=False)
        assert done.returncode == 1
        assert f"port {port} of this home is used by another program" in done.stderr
        assert "Traceback" not in done.stderr
        doctor = server.pegbox("doctor", "--json", check=False)
        assert doctor.returncode == 1
        assert {item["check"]: item["state"] for item in json.loads(doctor.stdout)}["port"] == "wrong"
    server.start()


def test_a_store_of_a_newer_version_is_refused_and_left(server: Any) -> None:
    """A newer schema is an error that says so; not a byte of the store changes."""
    server.stop()
    file = server.home / "pegbox.db"
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        known = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before = file.read_bytes()
    done = server.pegbox("server", "start", check=False)
    assert done.returncode == 1
    assert "newer" in done.stderr
    assert file.read_bytes() == before
    found = json.loads(server.pegbox("doctor", "--json", check=False).stdout)
    assert {item["check"]: item["state"] for item in found}["schema"] == "wrong"
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", known)
    server.start()


def test_bad_settings_are_told_whole(unstarted: Any) -> None:
    """A server with unusable settings does not start and tells all of them."""
    unstarted.environment["PEGBOX_MOED"] = "strict"
    unstarted.environment["PEGBOX_PORT"] = "1"
    done = unstarted.pegbox("server", "start", check=False)
    assert done.returncode == 1
    assert "did you mean 'mode'" in done.stderr
    assert "PEGBOX_PORT = '1'" in done.stderr


def test_a_home_that_cannot_be_used_is_told(unstarted: Any) -> None:
    """A home below a file, and one on a read-only file system, are errors with the remedy and no traceback."""
    unstarted.home.parent.joinpath("file").write_text("")
    unstarted.environment["PEGBOX_HOME"] = str(unstarted.home.parent / "file" / "home")
    done = unstarted.pegbox("server", "start", check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "set PEGBOX_HOME to a folder" in done.stderr
    unstarted.environment["PEGBOX_HOME"] = "/proc/pegbox"
    done = unstarted.pegbox("server", "start", check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "cannot be used" in done.stderr


def test_a_full_disk_refuses_requests_and_loses_nothing(make_server: Callable[..., Any]) -> None:
    """When nothing can be written, a create is refused as unavailable; reads go on; with space it works again."""
    server = make_server()
    code = server.upload_code("print('objective=1')")
    client = server.client()
    client.create_hyper_parameter_tuning_job(
        **tuning_request("before", code, max_jobs=1, parallel=1, ranges=RANGES)
    )
    process = psutil.Process(server.facts["pid"])
    largest = max(path.stat().st_size for path in server.home.glob("pegbox.db*"))
    process.rlimit(psutil.RLIMIT_FSIZE, (1, psutil.RLIM_INFINITY))
    try:
        with pytest.raises(Exception, match=r"ServiceUnavailable|InternalFailure|full"):
            client.create_hyper_parameter_tuning_job(
                **tuning_request("refused", code, max_jobs=1, parallel=1, ranges=RANGES)
            )
        assert largest > 1
        found = client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]
        names = [item["HyperParameterTuningJobName"] for item in found]
        assert names == ["before"]
    finally:
        with contextlib.suppress(psutil.Error):
            process.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
    client.create_hyper_parameter_tuning_job(
        **tuning_request("after", code, max_jobs=1, parallel=1, ranges=RANGES)
    )


def test_an_idle_auto_server_ends_but_not_while_it_is_busy(
    make_server: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    """A running training job keeps an auto server; without work it ends by itself and cleans up."""
    server = make_server(PEGBOX_IDLE_SECONDS="1", PEGBOX_GRACE_SECONDS="1", PEGBOX_AGENT_IDLE_SECONDS="1")
    client = server.client()
    code = server.upload_code(SLOW)
    client.create_hyper_parameter_tuning_job(
        **tuning_request("busy", code, max_jobs=1, parallel=1, ranges=RANGES)
    )
    server.stop()
    server.start("--auto")
    pid = server.facts["pid"]
    with pytest.raises(AssertionError):
        wait_until(lambda: not alive(pid), 4)
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="busy")
    wait_until(lambda: not alive(pid))
    assert not (server.home / "server.json").exists()
    assert "nothing to do" in (server.home / "logs" / "server.log").read_text()


def test_env_makes_an_auto_server_stay(
    make_server: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    """After ``pegbox env`` the server stays until it is stopped, even when it was killed and restarted in between."""
    server = make_server(PEGBOX_IDLE_SECONDS="0.5")
    server.stop()
    server.start("--auto")
    server.pegbox("env")
    server.kill()
    server.start("--auto")
    pid = server.facts["pid"]
    with pytest.raises(AssertionError):
        wait_until(lambda: not alive(pid), 2)
    server.stop()
    assert not (server.home / "keep").exists()


def test_sigterm_ends_the_server_while_programs_go_on(
    make_server: Callable[..., Any],
    wait_until: Callable[..., Any],
    processes_of: Callable[[Path], list[psutil.Process]],
) -> None:
    """A clean stop leaves running programs alone; the next server records them and can stop them."""
    server = make_server(PEGBOX_GRACE_SECONDS="1")
    client = server.client()
    code = server.upload_code(SLOW)
    client.create_hyper_parameter_tuning_job(
        **tuning_request("goes-on", code, max_jobs=2, parallel=2, ranges=RANGES)
    )

    def programs() -> list[int]:
        return [item.pid for item in processes_of(server.home) if "train.py" in " ".join(item.cmdline())]

    before = wait_until(lambda: programs() if len(programs()) == 2 else None)
    os.kill(server.facts["pid"], signal.SIGTERM)
    wait_until(lambda: not (server.home / "server.json").exists())
    assert sorted(programs()) == sorted(before)
    server.start()
    assert sorted(programs()) == sorted(before)
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="goes-on")
    wait_until(
        lambda: (
            client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="goes-on")[
                "HyperParameterTuningJobStatus"
            ]
            == "Stopped"
        )
    )
    assert programs() == []
