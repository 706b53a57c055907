"""``pegbox server ...`` and ``pegbox env``."""

from __future__ import annotations

import os
import shlex
import sys
import time
from typing import Any

from pegbox import __version__
from pegbox.bootstrap.home import Home, ServerFacts
from pegbox.cli import launch
from pegbox.cli.client import Client
from pegbox.cli.context import this_home
from pegbox.cli.output import print_facts, print_json
from pegbox.errors import ServerError

#: Variables of the caller that would lead AWS clients elsewhere, or spoil their signature.
MISLEADING = (
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)

#: Services whose endpoint is the server, as AWS's variables name them.
_SERVICES = ("SAGEMAKER", "CLOUDWATCH_LOGS", "CLOUDWATCH", "IAM", "STS")


def start_server(auto: bool, s3: bool, as_json: bool) -> None:
    """Start or find the server and print where it is."""
    home = this_home()
    facts, started = launch.start(home, auto=auto)
    if not auto and not started:
        Client(home, facts).call("pegbox", "KeepServer")
    if s3:
        Client(home, facts).call("pegbox", "OfferS3")
    if facts.version != __version__:
        print(
            f"pegbox: the server is of version {facts.version}, this command of {__version__}; "
            "'pegbox server stop' and start it again to replace it",
            file=sys.stderr,
        )
    if as_json:
        print_json(_state("running", home, facts))
    else:
        print(f"The server {'was started' if started else 'runs'} at {facts.url} (process {facts.pid}).")
        if s3:
            print(f"Its buckets are offered over S3 at {_s3_url(home, facts)}.")


def stop_server(as_json: bool) -> None:
    """Stop the server and wait until it is gone."""
    home = this_home()
    stopped = launch.stop(home)
    if as_json:
        print_json(_state("stopped", home, None))
    elif stopped is None:
        print(f"No server runs for {home.path}.")
    else:
        print(f"The server (process {stopped.pid}) has ended; running programs go on.")


def print_status(as_json: bool) -> None:
    """Print whether the server runs."""
    home = this_home()
    try:
        facts = launch.find(home)
        state = "running" if facts else "stopped"
    except ServerError:
        facts, state = home.running(), "unreachable"
    if as_json:
        print_json(_state(state, home, facts))
        return
    shown = _state(state, home, facts)
    if facts is not None and state == "running":
        server = Client(home, facts).call("pegbox", "DescribeServer")["Server"]
        shown["work"] = "busy" if server["busy"] else "idle"
        shown["stays"] = (
            "until it has been idle for a time" if server["auto"] else "until 'pegbox server stop'"
        )
        if server.get("s3"):
            shown["s3"] = server["s3"]
        gateway = server.get("gateway")
        if gateway:
            process = f", process {gateway['pid']}" if gateway["pid"] else ""
            shown["gateway"] = f"{gateway['state']} at {gateway['url']}{process}"
    print_facts(shown)


def run_server(auto: bool, s3: bool) -> None:
    """Become the server process."""
    home = this_home()
    options = [*(["--auto"] if auto else []), *(["--s3"] if s3 else [])]
    command = [sys.executable, "-m", "pegbox.bootstrap", *options]
    os.environ["PEGBOX_HOME"] = str(home.path)
    sys.stdout.flush()
    os.execv(sys.executable, command)  # noqa: S606


def print_log(lines: int, follow: bool) -> None:
    """Print the end of the server's log and, if wanted, what is added to it."""
    file = this_home().log_file
    try:
        with file.open(errors="replace") as log:
            for line in log.readlines()[-lines:]:
                print(line, end="")
            sys.stdout.flush()
            while follow:
                line = log.readline()
                if line:
                    print(line, end="", flush=True)
                else:
                    time.sleep(0.5)
    except OSError as error:
        raise ServerError(f"{file} cannot be read: {error.strerror}") from error
    except KeyboardInterrupt:
        return


def print_environment(as_json: bool) -> None:
    """Start or find the server, let it stay, and print what points AWS clients at it."""
    home = this_home()
    facts, _ = launch.start(home, auto=False)
    Client(home, facts).call("pegbox", "KeepServer")
    variables = client_variables(home, facts)
    if as_json:
        print_json(variables)
        return
    print(f"unset {' '.join(MISLEADING)}")
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")


def client_variables(home: Home, facts: ServerFacts) -> dict[str, str]:
    """Return the environment variables that point AWS clients at a running server."""
    credentials = home.credentials()
    s3 = _s3_url(home, facts)
    return {
        **{f"AWS_ENDPOINT_URL_{service}": facts.url for service in _SERVICES},
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": facts.runtime_url or facts.url,
        **({"AWS_ENDPOINT_URL_S3": s3} if s3 else {}),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_DEFAULT_REGION": credentials.region,
        "AWS_REGION": credentials.region,
    }


def _s3_url(home: Home, facts: ServerFacts) -> str | None:
    """Return the address of the S3 endpoint, or None where none is offered."""
    server = Client(home, facts).call("pegbox", "DescribeServer")["Server"]
    url = server.get("s3")
    return str(url) if url else None


def _state(state: str, home: Home, facts: ServerFacts | None) -> dict[str, Any]:
    return {
        "state": state,
        "pid": facts.pid if facts else None,
        "url": facts.url if facts else None,
        "home": str(home.path),
        "version": facts.version if facts else None,
        "runtime_url": facts.runtime_url if facts else None,
    }
