"""The commands by name. Each one's work is in a module that is loaded when the command runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pegbox.cli.context import command

app = typer.Typer(
    name="pegbox",
    help="Amazon SageMaker's automatic model tuning, on your own machines.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
server = typer.Typer(help="Start, stop and look at the server of the home.", no_args_is_help=True)
images = typer.Typer(help="The image table: how training images run on this machine.")
app.add_typer(server, name="server")
keys = typer.Typer(help="Master keys: what kms_key means on this machine.", no_args_is_help=True)
app.add_typer(images, name="images")
app.add_typer(keys, name="keys")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OfEndpoint = Annotated[
    bool,
    typer.Option("--endpoint", help="The endpoint of that name, not the training job whose model it serves."),
]


def run() -> None:
    """Run the command line."""
    app(prog_name="pegbox")


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and end.")] = False,
) -> None:
    """Amazon SageMaker's automatic model tuning, on your own machines. PEGBOX_HOME moves everything (~/.pegbox)."""
    if version:
        from pegbox import __version__

        print(f"pegbox {__version__}")
        raise typer.Exit


@server.command("start")
@command
def server_start(
    auto: Annotated[
        bool, typer.Option("--auto", help="The server ends by itself after a time without work.")
    ] = False,
    s3: Annotated[
        bool, typer.Option("--s3", help="Offer its buckets over S3 too, until 'pegbox server stop'.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Start the server in the background, or find it, and print its address."""
    from pegbox.cli import server_commands

    server_commands.start_server(auto, s3, as_json)


@server.command("stop")
@command
def server_stop(as_json: AsJson = False) -> None:
    """Stop the server. Running training programs go on; the next server records them."""
    from pegbox.cli import server_commands

    server_commands.stop_server(as_json)


@server.command("status")
@command
def server_status(as_json: AsJson = False) -> None:
    """Say whether the server runs, and where."""
    from pegbox.cli import server_commands

    server_commands.print_status(as_json)


@server.command("run")
@command
def server_run(
    auto: Annotated[
        bool, typer.Option("--auto", help="The server ends by itself after a time without work.")
    ] = False,
    s3: Annotated[bool, typer.Option("--s3", help="Offer its buckets over S3 too.")] = False,
) -> None:
    """Run the server in the foreground."""
    from pegbox.cli import server_commands

    server_commands.run_server(auto, s3)


@server.command("logs")
@command
def server_logs(
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="How many lines.")] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
) -> None:
    """Print the end of the server's own log."""
    from pegbox.cli import server_commands

    server_commands.print_log(lines, follow)


@app.command("env")
@command
def env(as_json: AsJson = False) -> None:
    """Print shell lines that point AWS clients at the server; it then stays until it is stopped.

    Use: eval "$(pegbox env)"
    """
    from pegbox.cli import server_commands

    server_commands.print_environment(as_json)


@app.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@command
def run_script(
    script: Annotated[str, typer.Argument(help="A Python script that says import sagemaker.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="The script's arguments.")] = None,
    api: Annotated[
        str, typer.Option("--api", help="Version of the AWS SDK that it was written for: v1 or v2.")
    ] = "v1",
) -> None:
    """Run a script that was written for the AWS SDK, unchanged, on the server of the home."""
    from pegbox.cli import run_command

    run_command.run_script(script, arguments or [], api)


@images.callback(invoke_without_command=True)
@command
def images_default(context: typer.Context, as_json: AsJson = False) -> None:
    """The image table: how training images run on this machine."""
    if context.invoked_subcommand is None:
        from pegbox.cli import image_commands

        image_commands.print_images(as_json)


@images.command("list")
@command
def images_list(as_json: AsJson = False) -> None:
    """List the image table."""
    from pegbox.cli import image_commands

    image_commands.print_images(as_json)


@images.command("add")
@command
def images_add(
    name: Annotated[str, typer.Argument(help="The image name that requests carry.")],
    run: Annotated[list[str] | None, typer.Argument(metavar="[--] COMMAND...", help="What to run.")] = None,
    python: Annotated[
        str | None,
        typer.Option("--python", help="Run scripts with this interpreter, in place of a command."),
    ] = None,
    framework: Annotated[
        str | None, typer.Option("--framework", help="Framework module of scripts (SM_FRAMEWORK_MODULE).")
    ] = None,
) -> None:
    """Add or replace an image: a command line after --, or a script interpreter with --python."""
    from pegbox.cli import image_commands

    image_commands.add_image(name, run or [], python, framework)


@images.command("remove")
@command
def images_remove(name: Annotated[str, typer.Argument(help="The image name.")]) -> None:
    """Remove an image that was added."""
    from pegbox.cli import image_commands

    image_commands.remove_image(name)


@keys.command("create")
@command
def keys_create(
    name: Annotated[str, typer.Argument(help="A name; kms_key='alias/NAME' then means this key.")],
    run: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND...]", help="A command that prints the key, so that no file holds it."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a master key, or name a command that hands one over (32 bytes as hexadecimal or base64 text)."""
    from pegbox.cli import key_commands

    key_commands.create_key(name, run or [], as_json)


@keys.command("list")
@command
def keys_list(as_json: AsJson = False) -> None:
    """List the master keys."""
    from pegbox.cli import key_commands

    key_commands.print_keys(as_json)


@keys.command("disable")
@command
def keys_disable(name: Annotated[str, typer.Argument(help="Name, id or ARN of a key.")]) -> None:
    """Disable a key: it neither seals nor opens until it is enabled again."""
    from pegbox.cli import key_commands

    key_commands.set_state(name, False)


@keys.command("enable")
@command
def keys_enable(name: Annotated[str, typer.Argument(help="Name, id or ARN of a key.")]) -> None:
    """Enable a key again; a key that a command hands over is asked for."""
    from pegbox.cli import key_commands

    key_commands.set_state(name, True)


@keys.command("open")
@command
def keys_open(
    file: Annotated[
        Path, typer.Argument(help="A sealed file, such as a model.tar.gz, or a folder of such files.")
    ],
    output: Annotated[Path, typer.Argument(help="Where its plaintext goes; must not exist.")],
    part: Annotated[
        bool, typer.Option("--part", help="Of a damaged file, write what stands before the damage.")
    ] = False,
) -> None:
    """Write the plaintext of a sealed file to a new file, or of all sealed files of a folder to a new folder."""
    from pegbox.cli import key_commands

    key_commands.open_files(file, output, part=part)


@app.command("jobs")
@command
def jobs(
    training: Annotated[bool, typer.Option("--training", help="Training jobs, not tuning jobs.")] = False,
    status: Annotated[str | None, typer.Option("--status", help="Only those with this status.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, the newest first.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List tuning jobs, the newest first."""
    from pegbox.cli import job_commands

    job_commands.print_jobs(training, status, limit, as_json)


@app.command("show")
@command
def show(
    name: Annotated[str, typer.Argument(help="A tuning job, a training job or an endpoint.")],
    endpoint: OfEndpoint = False,
    as_json: AsJson = False,
) -> None:
    """Show a job: how it stands, its best values, why each trial was chosen, and what was met by nature; or an endpoint."""
    from pegbox.cli import show_command

    show_command.show_job(name, endpoint, as_json)


@app.command("logs")
@command
def logs(
    name: Annotated[
        str,
        typer.Argument(help="A training job, a tuning job for all of its training jobs, or an endpoint."),
    ],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job has ended, or the endpoint is gone.")
    ] = False,
    endpoint: OfEndpoint = False,
    as_json: AsJson = False,
) -> None:
    """Print what the training programs, or an endpoint's model servers, printed."""
    from pegbox.cli import log_command

    log_command.print_logs(name, follow, endpoint, as_json)


@app.command("stop")
@command
def stop(name: Annotated[str, typer.Argument(help="A tuning job or a training job.")]) -> None:
    """Stop a job: its programs get SIGTERM, time to end, then SIGKILL."""
    from pegbox.cli import job_commands

    job_commands.stop_job(name)


@app.command("deploy")
@command
def deploy(
    name: Annotated[str, typer.Argument(help="A tuning job, for its best training job, or a training job.")],
    endpoint: Annotated[
        str | None, typer.Option("--name", help="Name of the endpoint; the training job's by default.")
    ] = None,
    instances: Annotated[int, typer.Option("--instances", "-n", min=1, help="How many model servers.")] = 1,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until it serves.")] = True,
    as_json: AsJson = False,
) -> None:
    """Serve the model of a training job at an endpoint, by the image and code that made it."""
    from pegbox.cli import endpoint_commands

    endpoint_commands.deploy(name, endpoint, instances, wait, as_json)


@app.command("endpoints")
@command
def endpoints(as_json: AsJson = False) -> None:
    """List the endpoints, the newest first."""
    from pegbox.cli import endpoint_commands

    endpoint_commands.print_endpoints(as_json)


@app.command("invoke")
@command
def invoke(
    endpoint: Annotated[str, typer.Argument(help="The endpoint.")],
    file: Annotated[
        str, typer.Option("--file", "-f", help="What to send; - for standard input, the default.")
    ] = "-",
    content_type: Annotated[
        str | None, typer.Option("--content-type", help="Its MIME type; by the file's name by default.")
    ] = None,
    accept: Annotated[str | None, typer.Option("--accept", help="MIME type of the answer.")] = None,
    target_variant: Annotated[
        str | None, typer.Option("--target-variant", help="Variant that shall answer.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a request to an endpoint and print its answer."""
    from pegbox.cli import invoke_command

    invoke_command.invoke(endpoint, file, content_type, accept, target_variant, as_json)


@app.command("delete-endpoint")
@command
def delete_endpoint(
    name: Annotated[str, typer.Argument(help="The endpoint.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Its configuration and models too, whoever made them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Delete an endpoint, with the configuration and model that 'pegbox deploy' made for it."""
    from pegbox.cli import endpoint_commands

    endpoint_commands.delete_endpoint(name, everything, as_json)


@app.command("demo")
@command
def demo() -> None:
    """Tune a real model on real data and watch it; serve the best one."""
    from pegbox.cli import demo as demonstration

    raise typer.Exit(demonstration.run())


@app.command("doctor")
@command
def doctor(as_json: AsJson = False) -> None:
    """Check Python, disk, permissions, port, clock and schema, and say what to do."""
    from pegbox.cli import doctor as examination

    raise typer.Exit(examination.examine(as_json))
