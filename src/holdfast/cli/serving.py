"""`holdfast serve`: the settings, the store, the application and the HTTP server, put together."""

import functools
import gc
import logging
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.opening import USAGE, Config, Data, fail, printable, read_settings, with_store
from holdfast.core.upkeep.collecting import Rules
from holdfast.core.upkeep.duties import Duties, Plan
from holdfast.core.upkeep.verifying import Reading
from holdfast.settings import Settings, SettingsError

if TYPE_CHECKING:
    from holdfast.app import Application
    from holdfast.transport.server import Notice

OPEN_FILES = 65536
DRAIN_SECONDS = 30
_PR_SET_PDEATHSIG = 1

_log = logging.getLogger("holdfast.serve")


def serve(
    data: Data = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Server processes.")] = None,
    config: Config = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Make a demo account with sample files and print a token and curl lines.")
    ] = False,
) -> None:
    """Serve all APIs; the data folder is made on first start. GET /health/ready answers 200 when ready."""
    with ExitStack() as held:
        # Nothing of what is loaded until the first request is garbage.
        gc.disable()
        held.callback(gc.enable)
        settings = read_settings(config, data=data, host=host, port=port, workers=workers)
        listening = [held.enter_context(each) for each in _listen(settings)]
        host, port = listening[0].getsockname()[:2]
        settings = read_settings(config, data=data, host=host, port=port, workers=workers)
        _set_up_logging(settings)
        _raise_open_files()
        _prepare(settings)
        if demo:
            _apart(_print_demo, settings)
        _log.info("serving %s at %s", settings.data, _base_url(settings))
        raise typer.Exit(_run(settings, listening))


def load_application(settings: Settings, notice: "Notice | None" = None) -> "Application":
    """The application on an opened store; called once in each server process."""
    from holdfast.app import Options, build, dialect_names, named  # noqa: PLC0415 -- starts without the web
    from holdfast.compose import open_store  # noqa: PLC0415
    from holdfast.core.errors import Unavailable  # noqa: PLC0415

    async def ready() -> None:
        if notice is not None and notice.is_given:
            raise Unavailable("The server is about to stop")
        await store.probe()

    _set_up_logging(settings)
    store = open_store(settings)
    duties = Duties(store.operator().upkeep, _plan(settings))
    chosen = settings.choose_dialects(dialect_names())
    options = Options(
        public_url=settings.public_url or None,
        trusted_proxies=settings.trusted_proxies,
        max_body=settings.upload_limit + (1 << 20),
        rates={
            "property_deck": settings.property_deck_rate_limit or None,
            "propops": settings.propops_rate_limit or None,
        },
        choices=dialect_choices(settings),
        address_requests=settings.address_requests or None,
        address_uploads=settings.address_uploads or None,
        access_log=sys.stderr.buffer.write if settings.access_log else None,
        open_metrics=settings.metrics_access == "open",
        shared_rates=settings.workers > 1 or not settings.catalog.startswith("sqlite:"),
        ready=ready,
        figures=lambda: (*duties.figures(), *store.figures()),
        start=(store.start, *((duties.start,) if settings.upkeep else ())),
        stop=(store.close, duties.stop),
    )
    return build(store, named(chosen), options)


def dialect_choices(settings: Settings) -> dict[str, dict[str, str | int]]:
    """What the settings say of each API, under the API's name and by its own names."""
    return {
        "propops": {"disposition": settings.propops_disposition, "address_rate": settings.propops_rate_limit},
        "case_iq": {
            "upload_limit": int(settings.case_iq_upload_limit),
            "files_per_case": settings.case_iq_files_per_case,
            "token_endpoint": settings.case_iq_token_endpoint,
        },
        "four_hse": {
            "token_seconds": settings.four_hse_token_seconds,
            "refresh_seconds": settings.four_hse_refresh_seconds,
            "delete_without_force": settings.four_hse_delete_without_force,
        },
        "navarik": {"token_days": settings.navarik_token_days},
    }


def _plan(settings: Settings) -> Plan:
    return Plan(
        collect_every=settings.collect_interval_minutes * 60,
        verify_every=settings.verify_interval_hours * 3600,
        rules=Rules(settings.collect_grace_hours * 3600, settings.compact_below_percent / 100),
        reading=Reading(rate=settings.verify_rate, grace=settings.collect_grace_hours * 3600, hands=1),
    )


def _listen(settings: Settings) -> list[socket.socket]:
    """A socket for each worker on one address, or one line and exit code 2.

    The kernel shares connections out among sockets that say they share; one alone would let the first worker that wakes
    take all. A server that was started by mistake could say so too: so the first look is for an address that is free.
    """
    asked = f"{settings.host}:{settings.port}"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
        family, _, _, _, place = min(found, key=lambda each: each[0] != socket.AF_INET)
        with _bound(family, place, socket.SO_REUSEADDR) as probe:
            place = probe.getsockname()
        return [_bound(family, place, socket.SO_REUSEADDR, socket.SO_REUSEPORT) for _ in range(settings.workers)]
    except (OSError, UnicodeError) as error:
        fail(f"cannot listen on {printable(asked)}: {getattr(error, 'strerror', None) or error}", USAGE)


def _bound(family: int, place: Any, *options: int) -> socket.socket:  # noqa: ANN401 -- as the system gives it
    bound = socket.socket(family)
    try:
        for option in options:
            bound.setsockopt(socket.SOL_SOCKET, option, 1)
        bound.bind(place)
    except BaseException:
        bound.close()
        raise
    return bound


def _base_url(settings: Settings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return settings.public_url or f"http://{host}:{settings.port}"


def _prepare(settings: Settings) -> None:
    """Refuse a start that could not work, in one line, before any server process begins."""
    from holdfast.app import dialect_names  # noqa: PLC0415
    from holdfast.compose import InstallationError, migrate  # noqa: PLC0415

    try:
        settings.choose_dialects(dialect_names())
        _apart(_check_bytes, settings)
        migrate(settings)
    except (InstallationError, SettingsError) as error:
        fail(str(error), USAGE)


def _check_bytes(settings: Settings) -> None:
    from holdfast.compose import InstallationError, check_bytes  # noqa: PLC0415

    try:
        check_bytes(settings)
    except InstallationError as error:
        fail(str(error), USAGE)


def _apart(work: Callable[[Settings], None], settings: Settings) -> None:
    """Do it in a process of its own if a bucket is used: its driver has threads, and the server processes, which are
    forked from this one, would find themselves without them and wait for ever."""
    if settings.blobs.startswith("file:"):
        work(settings)
        return
    import multiprocessing  # noqa: PLC0415 -- few use a bucket

    child = multiprocessing.get_context("fork").Process(target=_child, args=(work, settings))
    child.start()
    child.join()
    if child.exitcode:
        raise typer.Exit(max(child.exitcode, 1))


def _child(work: Callable[[Settings], None], settings: Settings) -> None:
    try:
        work(settings)
    except typer.Exit as end:
        sys.exit(end.exit_code)


def _print_demo(settings: Settings) -> None:
    from holdfast.cli.demo import curl_lines, prepare_demo  # noqa: PLC0415

    demo = with_store(settings, prepare_demo)
    base = _base_url(settings)
    typer.echo(f"Holdfast serves the demo account at {base} (reference: {base}/docs)\n")
    typer.echo(f"Token: {demo.token}\n\n{curl_lines(base, demo)}\n")
    sys.stdout.flush()


def _run(settings: Settings, listening: Sequence[socket.socket]) -> int:
    import uvloop  # noqa: PLC0415 -- the command line starts without the server

    from holdfast.transport.connection import Patience  # noqa: PLC0415
    from holdfast.transport.server import Notice, run  # noqa: PLC0415
    from holdfast.transport.workers import CANNOT_START, Crew  # noqa: PLC0415

    def work(place: int) -> bool:
        notice = Notice(settings.stop_notice_seconds)
        load = functools.partial(load_application, settings, notice)
        return run(load, listening[place], Patience(), DRAIN_SECONDS, uvloop.new_event_loop, notice)

    def work_under_watch(place: int) -> bool:
        _end_with_parent()
        return work(place)

    # What is loaded by now stays: server processes share it, and their collectors never look through it. Almost nothing
    # that a request leaves behind is a cycle, so they come by seldom: every 700 objects, as usual, slows uploads down.
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()
    if settings.workers == 1:
        return 0 if work(0) else CANNOT_START
    return Crew(work_under_watch, settings.workers, settings.stop_notice_seconds + DRAIN_SECONDS).run()


def _end_with_parent() -> None:
    """Let the kernel end this process when the one that started it is killed: nobody else would."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # noqa: PLC0415 -- only server processes need it

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _raise_open_files() -> None:
    """As many open files as the system allows, since each connection and each download is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, OPEN_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _set_up_logging(settings: Settings) -> None:
    from holdfast.app import log_formatter  # noqa: PLC0415 -- the command line starts without the web

    handler = logging.StreamHandler(sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(log_formatter())
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
