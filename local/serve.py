"""One run of the host, from storage to the last child's end."""

import argparse
import asyncio
import contextlib
import ipaddress
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from . import log, services
from .ai_child import AiStandIn, wants_ai
from .cors import Cors
from .host import Host
from .routes import Route, read_routes
from .settings import HostConfig, LocalConfig, StartError, body_limit, resolve
from .standin import StandIn
from .stripe_child import StripeStandIn, wants_stripe
from .triggers import Triggers
from .triggers.run import Runner
from .worker import Function, Worker

_GRACE = 3  # seconds that open requests (an event stream has no end of its own) have after Ctrl-C
_PATIENCE = 12.0  # seconds after which a stop that hangs is ended by force


class _Server(uvicorn.Server):
    """Uvicorn without its signal handlers: signals end the whole host, not one server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Session:
    def __init__(
        self,
        options: argparse.Namespace,
        root: Path,
        app_dir: Path,
        data_dir: Path,
        config: HostConfig,
        local: LocalConfig,
        listener: socket.socket,
    ) -> None:
        self._options = options
        self._root = root
        self._app_dir = app_dir
        self._data_dir = data_dir
        self._config = config
        self._local = local
        self._listener = listener
        self._azurite: services.Azurite | None = None
        self._stand_ins: list[StandIn] = []

    def run(self) -> int:
        """Blocks until a signal. Raises StartError; whatever happens, no child is left."""
        self._data_dir.mkdir(parents=True, exist_ok=True)
        # SIGTERM while blocking code starts storage: the same way out as Ctrl-C.
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            self._prepare_stand_ins()
            self._prepare_storage()
            for stand_in in self._stand_ins:
                stand_in.ready()  # they came up while storage did
            sys.path.insert(0, str(self._app_dir))
            os.chdir(self._app_dir)
            os.environ.setdefault("WEBSITE_HOSTNAME", f"localhost:{self._port}")
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(self._serve())
            return 0
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for stand_in in self._stand_ins:
                stand_in.stop()
            if self._azurite is not None:
                self._azurite.stop()

    @property
    def _port(self) -> int:
        return int(self._listener.getsockname()[1])

    def _prepare_stand_ins(self) -> None:
        if self._app_dir != self._root:
            return
        if not self._options.no_stripe and wants_stripe(os.environ):
            self._stand_ins.append(StripeStandIn(self._root, self._data_dir))
        if not self._options.no_ai and wants_ai(os.environ):
            ai = AiStandIn(self._root, self._data_dir)
            if ai.missing:
                log.line(f"no local AI server: {ai.missing}. Models answer 503")
            else:
                self._stand_ins.append(ai)
        for stand_in in self._stand_ins:
            stand_in.launch(self._port, os.environ)

    def _prepare_storage(self) -> None:
        if self._options.no_azurite:
            services.point_to(services.Ports(), os.environ, fill=False)
        elif services.wants_azurite(os.environ):
            self._azurite = services.Azurite(self._root, self._data_dir)
            services.point_to(self._azurite.start(), os.environ, fill=True)
        services.share_named_storage(os.environ)

    async def _serve(self) -> None:
        worker = self._make_worker()
        functions = await worker.start()
        http = [function for function in functions if function.kind == "httptrigger"]
        others = [function for function in functions if function.kind != "httptrigger"]
        runner = Runner(worker, self._config.function_timeout)
        routes = self._routes(http)
        app: ASGIApp = Host(worker, runner, routes, others, body_limit(), self._options.quiet)
        if self._local.cors:
            app = Cors(app, self._local.cors, self._local.cors_credentials)
        server = _Server(self._server_config(app))
        _stop_on_signals(server)
        async with self._background(worker, runner, others):
            serving = asyncio.create_task(server.serve(sockets=[self._listener]))
            self._print_start(routes, others)
            await serving
        # The app hears of no shutdown, as on Azure: the connections that it leaves open are no news from here on.
        asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
        log.line("stopped")

    def _make_worker(self) -> Worker:
        if self._options.worker == "azure":
            from .worker_azure import AzureWorker

            return AzureWorker(self._app_dir)
        from .worker_direct import DirectWorker

        return DirectWorker(self._app_dir)

    def _routes(self, http: list[Function]) -> list[Route]:
        def setting(value: str) -> str:
            try:
                return resolve(value)
            except KeyError as error:
                raise StartError(f"setting {error} in route {value!r} does not exist") from None

        try:
            return read_routes(http, self._config.route_prefix, setting)
        except ValueError as error:
            raise StartError(str(error)) from None

    @contextlib.asynccontextmanager
    async def _background(self, worker: Worker, runner: Runner, others: list[Function]) -> AsyncIterator[None]:
        """What runs beside the requests: triggers, and the watch over Azurite and the stand-ins."""
        triggers = Triggers(runner, self._config, self._data_dir)
        wanted = [function for function in others if not (self._options.no_timers and function.kind == "timertrigger")]
        triggers.start(wanted)
        children: list[StandIn | services.Azurite] = [*self._stand_ins]
        if self._azurite is not None:
            children.append(self._azurite)
        watching = [asyncio.create_task(child.watch()) for child in children]
        try:
            yield
        finally:
            await triggers.stop()
            for watch in watching:
                watch.cancel()
            await worker.stop()

    def _server_config(self, app: ASGIApp) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,  # X-Forwarded-For is the app's to trust or not
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE,
        )

    def _print_start(self, routes: list[Route], others: list[Function]) -> None:
        url = f"http://{_shown(self._options.host)}:{self._port}"
        counts: dict[str, int] = {}
        for function in others:
            kind = function.kind.removesuffix("trigger")
            counts[kind] = counts.get(kind, 0) + 1
        beside = "".join(f", {count} {kind}" for kind, count in sorted(counts.items()))
        storage = f"Azurite, blob port {self._azurite.ports.blob}" if self._azurite is not None else "as the settings say"
        paths = {"/" + route.template for route in routes}
        rows = [("Open", url)]
        rows += [(label, url + path) for label, path in (("Docs", "/docs"), ("Health", "/health")) if path in paths]
        rows += [
            ("Services", os.environ.get("SERVICES") or "all"),
            ("Functions", f"{len(routes)} HTTP{beside}"),
            ("Worker", f"{self._options.worker}, Python {sys.version_info.major}.{sys.version_info.minor}"),
            ("Storage", storage),
            ("Data", str(self._data_dir)),
            *((stand_in.label, f"a stand-in at {stand_in.url}, {stand_in.remark}") for stand_in in self._stand_ins),
        ]
        if others:
            first = min(others, key=lambda function: function.kind != "timertrigger").name
            rows.append(("Fire", f"curl -X POST {url}/admin/functions/{first} -H 'Content-Type: application/json' -d '{{}}'"))
        sys.stdout.write("\n" + "\n".join(f"  {label:<10} {value}" for label, value in rows) + "\n\n  Ctrl-C stops it all.\n\n")


def _shown(address: str) -> str:
    """What to type into a browser for an address to listen on."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.is_loopback or parsed.is_unspecified:
        return "localhost"
    return f"[{address}]" if parsed.version == 6 else address


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _stop_on_signals(server: uvicorn.Server) -> None:
    """The first signal stops in order, a second one at once. A stop that hangs (a thread of the app's) is ended too."""
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            os._exit(130)  # children die of it too: see leash.py
        asked = True
        server.should_exit = True
        force = threading.Timer(_PATIENCE, os._exit, (1,))
        force.daemon = True
        force.start()
        with contextlib.suppress(OSError):  # whoever read what we say may have gone
            log.line("stopping; once more stops at once")

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
