"""``pegbox run``: a script of the AWS SDK, unchanged, in this process."""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path

from pegbox.cli import launch
from pegbox.cli.context import this_home
from pegbox.cli.server_commands import MISLEADING, client_variables
from pegbox.compat import install_as_sagemaker
from pegbox.errors import PegboxError


def run_script(script: str, arguments: list[str], api: str) -> None:
    """Run a script with ``sagemaker`` standing for Pegbox; its own boto3 clients reach the server too.

    Raises:
        PegboxError: There is no such script, or ``api`` is no version.
    """
    if not Path(script).is_file():
        raise PegboxError(f"there is no script {script}")
    try:
        install_as_sagemaker(api)
    except ValueError as error:
        raise PegboxError(f"--api: {error}") from error
    home = this_home()
    facts, _ = launch.start(home, auto=True)
    for name in MISLEADING:
        os.environ.pop(name, None)
    os.environ.update(client_variables(home, facts))
    sys.argv = [script, *arguments]
    # As `python script.py` does: the script's own folder is where its modules are looked for.
    sys.path.insert(0, os.path.dirname(os.path.abspath(script)))
    try:
        runpy.run_path(script, run_name="__main__")
    except PegboxError:
        # The script's error, not this command's: shown as Python shows it.
        traceback.print_exc()
        sys.exit(1)
