"""Assembles the rooms over a home and serves until told to stop."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pegbox import __version__
from pegbox.bootstrap.home import (
    DEFAULT_BUCKET,
    Credentials,
    Home,
    ServerFacts,
    facts_of_this_process,
    write_private,
)
from pegbox.errors import PegboxError, ServerError
from pegbox.settings import Settings, read_settings
from pegbox.store import HomeLock, check_home_filesystem

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from pegbox.artifacts import ForeignBuckets
    from pegbox.artifacts.keyring import Keyring
    from pegbox.bootstrap.gateway import GatewayRoutes
    from pegbox.bootstrap.s3 import S3Endpoint
    from pegbox.engine import Engine
    from pegbox.ports.routes import Routes

_log = logging.getLogger("pegbox.server")

#: Threads that answer requests; each may wait for a commit.
REQUEST_THREADS = 16
#: Seconds between looks for metrics whose time is over.
PRUNE_SECONDS = 6 * 3600.0
#: The log is put aside when it is longer than this.
LOG_BYTES = 16 * 2**20


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return the current time, aware, in UTC."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return seconds that never jump."""
        return time.monotonic()


class Control:
    """The running server, as its owner's commands see and steer it.

    Args:
        home: The home it serves.
        auto: Whether a script started it, so that it ends by itself when there is nothing to do.
        engine: Its engine.
        s3: Its buckets over S3, or the address of another endpoint.
        gateway: The gateway beside it.
    """

    def __init__(
        self, home: Home, auto: bool, engine: Engine, s3: S3Endpoint | str, gateway: GatewayRoutes
    ) -> None:
        self._home = home
        self._engine = engine
        self._gateway = gateway
        self._s3 = s3
        self._loop: asyncio.AbstractEventLoop | None = None
        self._auto = auto and not home.keep_file.exists()
        self._started = time.time()
        self._touched = time.monotonic()

    @property
    def auto(self) -> bool:
        """Whether the server ends by itself when idle."""
        return self._auto

    def touch(self) -> None:
        """A signed request came."""
        self._touched = time.monotonic()

    def keep(self) -> None:
        """Stay until told to stop, after a restart too, and have the gateway stay beside."""
        write_private(self._home.keep_file, b"")
        self._auto = False
        self._gateway.ensure()

    def offer_s3(self) -> None:
        """Offer the buckets over S3, after a restart too; called from request threads."""
        if isinstance(self._s3, str):
            raise ServerError(
                f"the setting s3_endpoint_url names another S3 endpoint, {self._s3}; remove it to use --s3"
            )
        if self._loop is None:
            raise ServerError("the server is not ready yet; try again")
        asyncio.run_coroutine_threadsafe(self._s3.start(), self._loop).result()
        write_private(self._home.s3_file, b"")

    async def start_s3(self, wanted: bool) -> None:
        """Start what was offered before; that it cannot be done does not keep the server from serving."""
        self._loop = asyncio.get_running_loop()
        if isinstance(self._s3, str) or not (wanted or self._home.s3_file.exists()):
            return
        try:
            _log.info("S3 is offered at %s", await self._s3.start())
        except PegboxError as error:
            _log.error("S3 is not offered: %s", error)

    async def stop_s3(self) -> None:
        """End the S3 endpoint."""
        if not isinstance(self._s3, str):
            await self._s3.close()

    def idle_for(self) -> float:
        """Return the seconds since there was anything to do: a request, an active job, a live agent, an unread spool."""
        since = self._engine.idle_since()
        return 0.0 if since is None else time.monotonic() - max(since, self._touched)

    def describe(self) -> Mapping[str, Any]:
        """Return facts about the running server, as plain JSON data."""
        return {
            "version": __version__,
            "pid": os.getpid(),
            "home": str(self._home.path),
            "auto": self._auto,
            "busy": self._engine.busy(),
            "started_at": self._started,
            "s3": self._s3 if isinstance(self._s3, str) else self._s3.url,
            "gateway": self._gateway.describe(),
            "python": sys.executable,
        }


def serve(
    home: Home,
    *,
    auto: bool = False,
    s3: bool = False,
    ready: Callable[[ServerFacts], None] | None = None,
) -> None:
    """Serve a home until SIGTERM or SIGINT, or until idle in ``auto`` mode. Running programs go on afterwards.

    Args:
        home: The home.
        auto: Whether the server was started on behalf of a script.
        s3: Whether its buckets are offered over S3.
        ready: Called once the server answers.

    Raises:
        HomeError: The home cannot be used, another server has it, or its port is taken.
        StoreError: The store cannot be opened.
    """
    os.umask(0o077)
    home.prepare()
    check_home_filesystem(home.path)
    with HomeLock(home.lock_file):
        settings = read_settings(home.path)
        start_log(home.log_file, settings.log_level)
        _log.info("pegbox %s starts for %s (pid %d)", __version__, home.path, os.getpid())
        try:
            with ExitStack() as stack:
                _serve_locked(stack, home, settings, auto, s3, ready)
        except PegboxError as error:
            _log.error("%s", error)
            raise
        except BaseException:
            _log.exception("the server ends by a fault")
            raise
        _log.info("pegbox ends; running programs go on")


def _serve_locked(
    stack: ExitStack,
    home: Home,
    settings: Settings,
    auto: bool,
    s3: bool,
    ready: Callable[[ServerFacts], None] | None,
) -> None:
    from pegbox.bootstrap.gateway import GatewayPolicy, GatewayRoutes
    from pegbox.bootstrap.http_server import HttpServer
    from pegbox.bootstrap.keys import open_keyring
    from pegbox.bootstrap.s3 import S3Endpoint

    credentials = home.make_credentials(settings.region)
    secret = home.make_secret()
    listener = stack.enter_context(home.listen(settings.host, settings.port))
    keyring = open_keyring(home.path, region=settings.region, account=settings.account)
    gateway = GatewayRoutes(
        home,
        GatewayPolicy(
            host=settings.host,
            port=settings.runtime_port,
            allowed_hosts=settings.allowed_hosts,
            capture_free_percent=settings.capture_free_percent,
            log_level=settings.log_level,
        ),
        keyring,
    )
    engine = open_engine(stack, home, settings, secret, gateway, keyring)
    endpoint = S3Endpoint(home, credentials, host=settings.host, port=settings.s3_port)
    control = Control(home, auto, engine, settings.s3_endpoint_url or endpoint, gateway)
    app = open_app(stack, home, settings, credentials, secret, engine, control, keyring, gateway)
    engine.start()

    async def after_start() -> None:
        pruning = asyncio.create_task(_prune(engine))
        try:
            await control.start_s3(s3)
            facts = facts_of_this_process(
                home,
                _url(listener),
                version=__version__,
                account=settings.account,
                region=settings.region,
                runtime_url=gateway.url,
            )
            home.write_facts(facts)
            _log.info("ready at %s", facts.url)
            if ready is not None:
                ready(facts)
            while not (control.auto and control.idle_for() >= settings.idle_seconds):
                await asyncio.sleep(
                    min(max(settings.idle_seconds / 4, 0.1), 15.0) if control.auto else 3600.0
                )
            _log.info("nothing to do for %g s", settings.idle_seconds)
            server.stop()
        finally:
            pruning.cancel()
            await control.stop_s3()

    server = HttpServer(app, request_seconds=settings.request_seconds, started=after_start)
    stack.callback(home.remove_facts)
    server.serve_on(listener)
    if server.fault is not None:
        raise server.fault


async def _prune(engine: Engine) -> None:
    """Forget metrics whose time is over, now and some times a day."""
    while True:
        try:
            removed = await asyncio.to_thread(engine.queries.prune_metrics)
            if removed:
                _log.info("%d files of old metrics are removed", removed)
        except Exception:
            _log.exception("old metrics cannot be removed")
        await asyncio.sleep(PRUNE_SECONDS)


def open_engine(
    stack: ExitStack,
    home: Home,
    settings: Settings,
    secret: bytes,
    routes: Routes | None = None,
    keyring: Keyring | None = None,
) -> Engine:
    """Return the engine over the rooms of this machine; they are closed when the stack is left."""
    from pegbox.artifacts import LocalArtifacts
    from pegbox.bootstrap.keys import memory_folder
    from pegbox.domain.names import Realm
    from pegbox.engine import Engine, EnginePolicy
    from pegbox.executors.local import LocalExecutor, LocalLogs
    from pegbox.executors.local.serving_metrics import LocalServingMetrics
    from pegbox.store import open_store
    from pegbox.suggester import SuggesterPool
    from pegbox.suggester.process import ProcessPolicy

    store = open_store(home.path / "pegbox.db")
    stack.callback(store.close)
    engine = Engine(
        store,
        LocalExecutor(
            run_dir=home.path / "run",
            logs_dir=home.path / "logs" / "agents",
            socket_path=home.agents_socket(),
            home=home.path,
            idle_seconds=settings.agent_idle_seconds,
        ),
        LocalArtifacts(
            home.path / "buckets",
            owned=(DEFAULT_BUCKET,),
            region=settings.region,
            foreign=_foreign_buckets(home, settings),
        ),
        SuggesterPool(
            processes=settings.suggester_processes,
            idle_seconds=settings.suggester_idle_seconds,
            policy=ProcessPolicy(memory_mb=settings.suggester_memory_mb, seconds=settings.suggester_seconds),
        ),
        LocalLogs(home.path / "jobs"),
        SystemClock(),
        secret=secret,
        realm=Realm(settings.region, settings.account),
        policy=EnginePolicy(
            jobs_path=str(home.path / "jobs"),
            checkpoints_path=str(home.path / "checkpoints"),
            cache_path=str(home.path / "cache"),
            python=sys.executable,
            extended=settings.mode == "extended",
            file_systems=dict(entry.split("=", 1) for entry in settings.file_systems),
            grace_seconds=settings.grace_seconds,
            compute_ahead=settings.compute_ahead,
            endpoints_path=str(home.path / "endpoints"),
            model_servers=settings.model_servers or max(4, 4 * (os.cpu_count() or 1)),
            accelerators=accelerators_of(settings.accelerators),
            serving_grace_seconds=settings.serving_grace_seconds,
            memory_path=memory_folder(home.path),
        ),
        keys=keyring,
        routes=routes,
        serving_logs=LocalLogs(home.path / "endpoints"),
        serving_metrics=LocalServingMetrics(home.path / "gateway" / "metrics"),
    )
    stack.callback(engine.close)
    return engine


def accelerators_of(entries: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the environment that each accelerator means, from entries ``NAME=VARIABLE=VALUE``."""
    found: dict[str, dict[str, str]] = {}
    for entry in entries:
        name, variable, value = entry.split("=", 2)
        found.setdefault(name, {})[variable] = value
    return found


def _foreign_buckets(home: Home, settings: Settings) -> ForeignBuckets | None:
    """Return the buckets of the S3 endpoint that the settings name, read with the owner's key."""
    if not settings.s3_endpoint_url:
        return None
    from pegbox.artifacts import ForeignBuckets

    owner = home.credentials()
    return ForeignBuckets(
        settings.s3_endpoint_url.rstrip("/"),
        access_key_id=owner.access_key_id,
        secret_access_key=owner.secret_access_key,
        region=settings.region,
        cache=home.path / "cache" / "s3",
    )


def open_app(
    stack: ExitStack,
    home: Home,
    settings: Settings,
    credentials: Credentials,
    secret: bytes,
    engine: Engine,
    control: Control,
    keyring: Keyring,
    gateway: GatewayRoutes,
) -> Starlette:
    """Return the HTTP application over an engine."""
    from pegbox.api import Served, create_app
    from pegbox.api.dispatch import dispatch_table
    from pegbox.api.extension import SERVICE, extension_model
    from pegbox.api.runtime_proxy import RuntimeProxy
    from pegbox.bootstrap.keys import KeyAdministration
    from pegbox.wire import PageTokens, Service, Verifier, load_models

    models = load_models(cache=home.path / "cache" / "service-model.json", mode=settings.mode)
    threads = ThreadPoolExecutor(REQUEST_THREADS, "request")
    stack.callback(threads.shutdown, cancel_futures=True)
    keys = {credentials.access_key_id: credentials.secret_access_key}
    return create_app(
        Served(
            service=Service({**models, SERVICE: extension_model()}),
            table=dispatch_table(
                engine,
                PageTokens(derive(secret, "page tokens")),
                control,
                KeyAdministration(keyring, gateway.keys_changed),
                account=settings.account,
            ),
            verifier=Verifier(keys.get),
            threads=threads,
            now=SystemClock().now,
            touched=control.touch,
            version=__version__,
            home_id=home.id,
            max_body_bytes=settings.max_request_mb * 2**20,
            allowed_hosts=settings.allowed_hosts,
            runtime=RuntimeProxy(gateway.url, gateway.ensure, threads),
        )
    )


def derive(secret: bytes, purpose: str) -> bytes:
    """Return a key of its own for a purpose."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).digest()


def start_log(file: Path, level: str) -> None:
    """Let this process log to a file; one that has grown long is put aside."""
    from logging.handlers import RotatingFileHandler

    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    handler = RotatingFileHandler(file, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, root.level))


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
