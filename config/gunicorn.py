"""Settings of gunicorn: `gunicorn -c config/gunicorn.py wsgi:app`. They fit any WSGI app.

In development it also starts the embedded store, and prints the first things to try.
Source: https://docs.gunicorn.org/en/stable/settings.html
"""

import atexit
import errno
import gc
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING

from config.embedded import Engine, EngineFailed, EngineInUse
from config.few_lines import FewLines
from config.settings import Settings, SettingsError, load
from config.worker import QuietWorker, plain_settings

if TYPE_CHECKING:
    from gunicorn.arbiter import Arbiter
    from gunicorn.workers.base import Worker

_few_lines = FewLines()

try:
    settings = load()
except SettingsError as error:
    sys.exit(str(error))

_shown_host = f"[{settings.host}]" if ":" in settings.host else settings.host
bind = f"{_shown_host}:{settings.port}"
workers = settings.web_concurrency
worker_class = QuietWorker
worker_connections = 1000  # places; `QuietWorker` keeps some of them free
# Each place is an open file, and many systems allow 1024 at first.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(_soft, min(_hard, 2 * worker_connections)), _hard))
# In Python: the C one takes a line break without CR, and a header folded over two lines, which a proxy in front may
# read as something else. https://www.rfc-editor.org/rfc/rfc9112#section-5.2
http_parser = "python"

# Seconds without a heartbeat after which a worker is replaced; importing the app counts.
timeout = 30
# Seconds from a request to stop until the master kills remaining workers. Platforms allow 30 (Heroku, Render) or less.
graceful_timeout = 10
# Longer than any router in front keeps an idle connection, so that this side never closes it just as a webhook is
# sent: Heroku keeps them 90 s (https://devcenter.heroku.com/articles/http-routing#keepalives), most others 60 s.
keepalive = 100
# A webhook by GET with speech results is longer than the default of 4094 bytes; this is gunicorn's maximum.
limit_request_line = 8190
# Headers are held in memory until they end, in each of the places: by default up to 800 KiB, here 200 KiB. A token of
# Vonage has less than 1 KiB, a cookie 4 KiB at most. https://www.rfc-editor.org/rfc/rfc6265#section-6.1
limit_request_fields = 50
limit_request_field_size = 4200

# Only the app trusts proxies, by TRUSTED_PROXIES. Heroku sets FORWARDED_ALLOW_IPS to everybody.
forwarded_allow_ips = ""
# No access log: query strings hold phone numbers and tokens. Heroku switches it on with GUNICORN_CMD_ARGS, which
# overrides this file: then at least without query strings and addresses.
# https://github.com/heroku/heroku-buildpack-python/blob/main/vendor/python.gunicorn.sh
accesslog = None
access_log_format = "%(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"
# By default all gunicorns of a user would share one control socket.
control_socket_disable = True
# Heartbeats in memory: a busy disk must not make a worker look dead.
_memory = "/dev/shm"  # noqa: S108 - gunicorn makes its files there safely
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else None


def on_starting(server: "Arbiter") -> None:
    """Start the embedded store if REDIS_URL is not set, and pass its address on to the workers."""
    _share_metrics()
    if words := _port_taken(server):
        sys.exit(f"Switchhook cannot start. {words}")
    if settings.redis_url:
        return
    engine = Engine(settings.data_dir)
    # Not gunicorn's on_exit: it is not called when the port is in use, nor for this engine once SIGHUP has reloaded
    # this file. This runs after the workers have ended; in a worker, which inherits it as a fork, it does nothing.
    atexit.register(engine.stop)
    try:
        engine.start()
    except (EngineInUse, EngineFailed) as error:
        sys.exit(f"Switchhook cannot start. {error}")
    except KeyboardInterrupt:  # gunicorn handles signals only after this
        sys.exit(130)
    os.environ["REDIS_URL"] = engine.url

    # gunicorn has no hook for it. Its main loop does this every second, and at once when a child has ended.
    # https://github.com/benoitc/gunicorn/blob/master/gunicorn/arbiter.py (Arbiter.run)
    manage_workers = server.manage_workers

    def tend_engine_and_workers() -> None:
        if (said := engine.tend()) and server.log:
            server.log.error(said)
        manage_workers()

    server.manage_workers = tend_engine_and_workers  # type: ignore[method-assign]


def _share_metrics() -> None:
    """Make the folder in which the workers count for `/metrics`: each scrape adds up all of them.

    https://prometheus.github.io/client_python/multiprocess/
    """
    folder, master = tempfile.mkdtemp(prefix="switchhook-metrics-", dir=worker_tmp_dir), os.getpid()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder

    def remove() -> None:
        if os.getpid() == master:  # a worker inherits this as a fork
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)


def child_exit(server: "Arbiter", worker: "Worker") -> None:
    """Take the gauges of a worker that has ended out of `/metrics`; what it counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def on_exit(server: "Arbiter") -> None:  # after the workers
    """Write to the log what still waits for Redis, if the disk ends with its instance."""
    if not settings.spool_to_log:
        return
    from app.spool.last_lines import write_last_lines  # slow to import, and needed by nothing else here

    write_last_lines(settings.data_dir, settings.spool_max_mb, settings.secret_key)


def _port_taken(server: "Arbiter") -> str | None:
    """Why it cannot listen, and what to do. gunicorn would try for five seconds, and not say what to do."""
    if "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:
        return None  # the socket is inherited
    for host, port in (address for address in server.cfg.address if isinstance(address, tuple)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                probe.listen()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    return f"Port {port} is in use, perhaps by another Switchhook: stop that, or set PORT to another."
                return f"It cannot listen at {host}, port {port} ({error.strerror}): set HOST or PORT to another."
    return None


def when_ready(server: "Arbiter") -> None:
    """Print what to try first, in development; warnings, everywhere."""
    if settings.in_production:
        for note in settings.notes():
            print(f"Note: {note}", file=sys.stderr, flush=True)
        voice = f"{settings.public_url}/voice"
        print(
            f"At Vonage: answer URL {voice}/answer, event URL {voice}/event, fallback URL {voice}/fallback", flush=True
        )
    else:
        print(banner(settings), flush=True)


def post_fork(server: "Arbiter", worker: "Worker") -> None:
    """Let every worker end in time, before the master kills it while it writes what is left."""
    # Both would wait equally long for connections that a router keeps open, and the worker starts up to 3 s later.
    # This is the worker's own copy of the settings.
    worker.cfg.set("graceful_timeout", max(1, worker.cfg.graceful_timeout - 4))
    # Until it installs its own handlers, a fork has the master's, and those swallow the signal to stop.
    for number in (signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("gunicorn.error").addFilter(_few)


def _few(record: logging.LogRecord) -> bool:
    """Requests that are no HTTP are logged, but nobody fills the log with them, and nothing of them is shown.

    gunicorn would quote what it could not parse: tokens and numbers. It logs while it handles the exception.
    https://github.com/benoitc/gunicorn/blob/master/gunicorn/workers/base.py (Worker.handle_error)
    """
    if not str(record.msg).startswith("Invalid request from ip="):
        return True
    if not _few_lines.one_more():
        return False
    record.msg = f"Invalid request: {type(sys.exc_info()[1]).__name__}"
    if left_out := _few_lines.left_out():
        record.msg += f" (lines like this that were left out: {left_out})"
    return True


def post_worker_init(worker: "Worker") -> None:
    """Make a worker ready for requests.

    Ctrl-C is left to the master: a terminal sends it to workers too, and at a second signal they print tracebacks.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    plain_settings(worker.cfg)
    # All objects made so far stay: the garbage collector need not go through them again.
    gc.collect()
    gc.freeze()
    # And what a request makes is mostly gone with it: to look for circles after every 700 objects took a tenth of an
    # event's processor time. https://docs.python.org/3/library/gc.html#gc.set_threshold
    gc.set_threshold(20_000)


def banner(settings: Settings) -> str:
    """The first things to try, ready to paste. It holds the token made for development: not for production."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, _shown_host)  # noqa: S104 - compared
    address = f"http://{host}:{settings.port}"
    # The token made here; one that was set is known to the reader, and this may end in a log that others read.
    were_set = bool(os.environ.get("ACCESS_TOKENS", "").strip())
    token = "TOKEN" if were_set else settings.access_tokens[0][1]
    users = {role.removeprefix("user/"): token for role, token in settings.access_tokens if role.startswith("user/")}
    phones = [f"{address}/?token={each}  ({name}'s, in the browser)" for name, each in users.items()]
    if were_set and users:
        phones = [f"{address}/login  (with a token of {' or '.join(users)}, in the browser)"]
    webhook = (
        '{"uuid": "aaaaaaaa-bbbb-cccc-dddd-0123456789ab",'
        ' "conversation_uuid": "CON-aaaaaaaa-bbbb-cccc-dddd-0123456789ab",'
        ' "from": "442079460000", "to": "442079460123", "direction": "inbound", "status": "ringing",'
        f' "timestamp": "{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.000Z}"}}'
    )
    lines = [
        "",
        f"  Board        {address}/?token={token}",
        *(f"  Phone        {phone}" for phone in phones),
        f"  Status       curl -H {quote(f'Authorization: Bearer {token}')} {address}/status",
    ]
    if settings.unsigned_allowed or settings.webhook_verify != "enforce":
        lines.append(f"  First event  curl -i -d {quote(webhook)} {address}/voice/event")
    lines += [f"  Note         {note}" for note in settings.notes()]
    return "\n".join([*lines, "  Ctrl-C stops it.", ""])
