"""Training code from a git repository, fetched with the git command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

_KNOWN = ("repo", "branch", "commit")
_SECRETS = ("2FA_enabled", "username", "password", "token")


def check_git_config(git_config: Mapping[str, str]) -> None:
    """Check a ``git_config``.

    Raises:
        ValueError: ``repo`` is missing, or an entry is unknown or refused.
    """
    for name in git_config:
        if name in _SECRETS:
            raise ValueError(
                f"git_config[{name!r}] is refused: secrets do not belong into code; git's own credential helper or an "
                "SSH key signs in"
            )
        if name not in _KNOWN:
            raise ValueError(f"git_config[{name!r}] is unknown; accepted are {', '.join(_KNOWN)}")
    for name in _KNOWN:
        value = git_config.get(name)
        if value is not None and (not isinstance(value, str) or value.startswith("-")):
            raise ValueError(f"git_config[{name!r}]={value!r} must be text that does not start with a hyphen")
    if not git_config.get("repo"):
        raise ValueError("git_config['repo'] is missing; give the address of the repository")


def clone(git_config: Mapping[str, str], folder: Path) -> Path:
    """Clone a repository into a new folder and check out the wanted branch or commit.

    Args:
        git_config: ``repo`` and optionally ``branch`` and ``commit``.
        folder: Where the clone is made; it must not exist.

    Returns:
        The folder.

    Raises:
        ValueError: git is missing or failed; the message has its last words.
    """
    check_git_config(git_config)
    branch = git_config.get("branch")
    _git("clone", "--quiet", *(("--branch", branch) if branch else ()), "--", git_config["repo"], str(folder))
    commit = git_config.get("commit")
    if commit:
        _git("-C", str(folder), "checkout", "--quiet", "--detach", commit)
    return folder


def _git(*arguments: str) -> None:
    import subprocess

    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except FileNotFoundError:
        raise ValueError("git_config needs the git command, which is not installed") from None
    if done.returncode != 0:
        raise ValueError(f"git_config: git {arguments[0]} failed: {done.stderr.strip()[-500:]}")
