"""A server with S3 for unmodified AWS clients, and a way to run them that lets nothing leave this machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


class Clients:
    """Runs client programs against a server, as a user's shell does after ``eval "$(pegbox env)"``.

    Attributes:
        environment: The variables that ``pegbox env`` prints, over a clean environment that the guard watches.
    """

    def __init__(self, server: Any, folder: Path) -> None:
        self._folder = folder
        self._attempts = folder / "refused-connections"
        self._attempts.touch()
        printed = json.loads(server.pegbox("env", "--json").stdout)
        kept = {name: text for name, text in server.environment.items() if not name.startswith("PEGBOX_")}
        self.environment = {
            **kept,
            **printed,
            "PYTHONPATH": str(HERE / "guard"),
            "GUARD_LOG": str(self._attempts),
            "SAGEMAKER_SUPPRESS_V2_WARNING": "1",
        }

    def run(self, *command: str) -> str:
        """Run a command to its end and return what it printed; what it tried to reach elsewhere is a failure."""
        done = subprocess.run(
            command, env=self.environment, cwd=self._folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert self._attempts.read_text() == ""
        return done.stdout

    def refused(self) -> list[str]:
        """Return, and forget, the hosts to which connections were refused."""
        hosts = self._attempts.read_text().split()
        self._attempts.write_text("")
        return hosts

    def sdk(self, name: str, program: str, *arguments: str) -> dict[str, Any]:
        """Run a program with an unmodified AWS SDK and return the JSON that it printed last."""
        python = ROOT / ".venv-clients" / name / "bin" / "python"
        printed = self.run(str(python), str(HERE / "programs" / program), *arguments)
        line = next(line for line in reversed(printed.splitlines()) if line.startswith("RESULT "))
        found: dict[str, Any] = json.loads(line.removeprefix("RESULT "))
        return found


@pytest.fixture(scope="session", autouse=True)
def _client_environments() -> None:
    """Make the clients' own environments where they are not there yet."""
    subprocess.run([str(ROOT / "tools" / "client_environments.sh")], check=True, stdout=sys.stderr)


@pytest.fixture(scope="module")
def clients(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Clients:
    """The module's server, with S3 and an image of the owner's, and clients of it."""
    server.start("--s3")
    server.pegbox(
        "images", "add", "my-own-image", "--", sys.executable, str(HERE / "programs" / "container.py")
    )
    return Clients(server, tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="session")
def aws() -> Callable[..., list[str]]:
    """``aws("sagemaker", ...)`` returns the command line of the AWS CLI beside this interpreter."""
    return lambda *words: [sys.executable, str(Path(sys.executable).parent / "aws"), *words]
