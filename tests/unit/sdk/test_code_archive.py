"""Packing of training code."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from pegbox._sdk.code_archive import check_entry_point, pack
from pegbox._sdk.git_source import check_git_config, clone


def names_in(body: bytes) -> list[str]:
    """Entries of an archive."""
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        return tar.getnames()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder of code with everything that does not belong into an archive."""
    root = tmp_path / "project"
    for folder in ("pkg", ".git", "pkg/__pycache__"):
        (root / folder).mkdir(parents=True)
    for name in (
        "train.py",
        "requirements.txt",
        "pkg/__init__.py",
        "pkg/a.pyc",
        ".git/config",
        "pkg/__pycache__/a.pyc",
    ):
        (root / name).write_text(name)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o750)
    return root


def test_same_files_give_the_same_bytes(project: Path, tmp_path: Path) -> None:
    """Times, places and umask do not reach the archive."""
    first = pack("train.py", str(project), [])
    other = tmp_path / "elsewhere"
    project.rename(other)
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
    (other / "train.py").chmod(0o600)
    second = pack("train.py", str(other), [])
    assert first == second
    assert first.program == "train.py"


def test_what_is_packed(project: Path) -> None:
    """Everything but caches and version control, the executable bit kept."""
    archive = pack("train.py", str(project), [])
    assert names_in(archive.body) == ["pkg/__init__.py", "requirements.txt", "run.sh", "train.py"]
    with tarfile.open(fileobj=io.BytesIO(archive.body)) as tar:
        assert [tar.getmember(name).mode for name in ("run.sh", "train.py")] == [0o755, 0o644]
        assert {member.mtime for member in tar} == {0}


def test_other_content_has_another_hash(project: Path) -> None:
    """The hash names the content."""
    first = pack("train.py", str(project), [])
    (project / "pkg" / "__init__.py").write_text("changed")
    assert pack("train.py", str(project), []).digest != first.digest


def test_lone_script_and_dependencies(project: Path, tmp_path: Path) -> None:
    """Without a folder only the script goes, with each dependency under its own name."""
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "tools.py").write_text("x")
    archive = pack(str(project / "train.py"), None, [str(tmp_path / "shared"), str(project / "run.sh")])
    assert names_in(archive.body) == ["run.sh", "shared/tools.py", "train.py"]
    with pytest.raises(ValueError, match=r"brings 'train\.py', which the code has already"):
        pack(str(project / "train.py"), None, [str(project / "train.py")])
    with pytest.raises(ValueError, match=r"there is no .*nothing"):
        pack(str(project / "train.py"), None, [str(tmp_path / "nothing")])


@pytest.mark.parametrize(
    ("entry_point", "source_dir", "named"),
    [
        ("gone.py", None, "entry_point='gone.py': there is no file"),
        ("gone.py", ".", "there is no such file in source_dir"),
        ("../x.py", ".", "lies outside source_dir"),
        ("x.py", "nowhere", "source_dir='nowhere': there is no folder"),
        ("s3://bucket/x.py", None, "must be a local file"),
    ],
)
def test_missing_code_is_told(
    entry_point: str, source_dir: str | None, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names argument and value."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=named):
        check_entry_point(entry_point, source_dir)


def test_links_that_leave_the_folder_are_refused(project: Path, tmp_path: Path) -> None:
    """Nothing outside the folder is packed by a link; links within are packed as what they point to."""
    (project / "inside.py").symlink_to("train.py")
    (project / "loop").symlink_to(".")
    archive = pack("train.py", str(project), [])
    assert "inside.py" in names_in(archive.body)
    (tmp_path / "secret").write_text("s")
    (project / "leak").symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match=r"leak is a link to .*secret, outside of"):
        pack("train.py", str(project), [])
    (project / "leak").unlink()
    (project / "broken").symlink_to("nothing")
    with pytest.raises(ValueError, match="broken is no file or folder"):
        pack("train.py", str(project), [])


def git(*arguments: str, cwd: Path) -> None:
    """Run git as a user without settings."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True)


def test_git_repositories_can_be_sources(tmp_path: Path) -> None:
    """Branch and commit are checked out."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git("init", "-q", "-b", "main", cwd=repository)
    (repository / "train.py").write_text("one")
    git("add", ".", cwd=repository)
    git("commit", "-q", "-m", "one", cwd=repository)
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True
    )
    (repository / "train.py").write_text("two")
    git("commit", "-q", "-am", "two", cwd=repository)
    latest = clone({"repo": str(repository), "branch": "main"}, tmp_path / "a")
    assert (latest / "train.py").read_text() == "two"
    earlier = clone({"repo": str(repository), "commit": commit.stdout.strip()}, tmp_path / "b")
    assert (earlier / "train.py").read_text() == "one"
    with pytest.raises(ValueError, match="git clone failed"):
        clone({"repo": str(tmp_path / "none")}, tmp_path / "c")


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"repo": "r", "password": "p"}, r"git_config\['password'\] is refused"),
        ({"branch": "b"}, r"git_config\['repo'\] is missing"),
        ({"repo": "--upload-pack=x"}, "does not start with a hyphen"),
        ({"repo": "r", "tag": "t"}, r"git_config\['tag'\] is unknown"),
    ],
)
def test_git_settings_are_checked(config: dict[str, str], named: str) -> None:
    """Secrets, options and unknown entries are refused."""
    with pytest.raises(ValueError, match=named):
        check_git_config(config)
