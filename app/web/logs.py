"""One line for each request: JSON in production, readable in development. Numbers masked, query strings left out.

With LOG_FORMAT=pretty, which a developer has to choose, webhooks are printed whole in place of it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from flask import Flask, Response, request

from app.domain.events import Event
from app.domain.numbers import mask, mask_party
from config.connection import connection
from config.few_lines import FewLines
from vonage_simulator.printable import safe_lines

log = logging.getLogger(__name__)

Line = dict[str, Any]
LOGGERS = ("app", "switchhook")
LONGEST_PATH = 300  # characters that are logged
QUERY = re.compile(r"\?\S+")
_PLAIN = logging.Formatter()
# An address of Redis, where redis-py and we say which one does not answer: an IP with its port would pass for a number.
BYTE = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
ADDRESS = re.compile(
    rf"(?:(?<=connecting to )|(?<=reading from )|(?<=Redis at ))({BYTE}(?:\.{BYTE}){{3}}:\d{{1,5}}(?!\d))", re.ASCII
)
IN_FRONT = ("method", "path", "status", "ms")


@dataclass(slots=True)
class RequestLine:
    """What is known of the request that runs, for its line. `began`: seconds of `perf_counter`."""

    began: float = field(default_factory=perf_counter)
    facts: Line = field(default_factory=dict)
    known: bool = False
    quiet: bool = False
    in_full: str | None = None


_line: ContextVar[RequestLine] = ContextVar("line")


def began() -> float:
    """When this request began: seconds of `perf_counter`."""
    return _line.get().began


def annotate(*, event: Event | None = None, outcome: str | None = None) -> None:
    """Add to the line of this request what *event* is about and the *outcome*. Numbers are masked here."""
    facts = _line.get().facts
    if event is not None:
        facts["kind"] = event.kind
        facts["call_status"] = mask(getattr(event, "status", None) or "") or None
        facts["conversation"] = mask(event.conversations[-1]) if event.conversations else None
        facts["leg"] = mask(event.leg) if event.leg else None
        facts["from"] = mask_party(getattr(event, "from_", None) or "") or None
        facts["to"] = mask_party(getattr(event, "to", None) or "") or None
    if outcome is not None:
        facts["outcome"] = outcome


def known() -> None:
    """This request is of somebody we know, by signature or token: its line is always written, its connection kept."""
    _line.get().known = True
    connection.get().keep()


def quiet() -> None:
    """This request needs no line: a page loads several files, and nothing can be learnt of that."""
    _line.get().quiet = True


def in_full(text: str) -> None:
    """This request is *text* in the log in place of its line: as LOG_FORMAT=pretty wants it, and nothing else."""
    _line.get().in_full = text


class RequestLog:
    """Writes the lines of requests to standard output.

    *form* is json, lines or pretty: then of requests that `in_full` was not called for, only those that failed.
    """

    def __init__(self, form: str) -> None:
        self._write_form = _json if form == "json" else _readable
        self._pretty = form == "pretty"
        self._of_anybody = FewLines()
        self.handler = _Handler(sys.stdout)
        self.handler.setFormatter(Lines(as_json=form == "json"))

    def begin(self) -> RequestLine:
        """A request begins; it ends with `end`."""
        line = RequestLine()
        _line.set(line)
        return line

    def end(self, method: str, path: str, status: int) -> RequestLine:
        """The request that runs gets a reply with *status*. Returns what was known of it."""
        line = _line.get()
        if not line.known and (line.quiet or not self._of_anybody.one_more()):
            return line
        if self._pretty and status < 400 and line.in_full is None:
            return line
        if left_out := self._of_anybody.left_out():
            log.warning("more requests without a valid token or signature, which were not logged: %d", left_out)
        texts = [] if line.in_full is None else [line.in_full]
        if not texts or status >= 400:
            ms = round((perf_counter() - line.began) * 1000, 1)
            head = {"method": mask(method), "path": mask(path[:LONGEST_PATH]), "status": status, "ms": ms}
            texts.append(self._write_form(head | line.facts))
        # Past the logging module, which would look up the caller's file and line: this is the most frequent line.
        with suppress(OSError, ValueError):  # a full disk, a reader that is gone: no reason to refuse a call
            self.handler.stream.write("\n".join([*texts, ""]))
            self.handler.stream.flush()
        return line


def install(app: Flask, form: str) -> RequestLog:
    """Log every request of *app*, and all that our loggers get, to standard output: *form* is as in `RequestLog`."""
    requests = RequestLog(form)
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [requests.handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False

    # What gunicorn logs of its own, with its own handlers.
    logging.getLogger("gunicorn.error").addFilter(_without_numbers)

    @app.before_request
    def begin() -> None:
        requests.begin()

    @app.after_request
    def end(response: Response) -> Response:
        environ = request.environ
        requests.end(environ["REQUEST_METHOD"], environ["PATH_INFO"], response.status_code)
        return response

    return requests


def _without_numbers(record: logging.LogRecord) -> bool:
    """The record without numbers and query strings, in its traceback too."""
    record.msg, record.args = mask(QUERY.sub("?…", record.getMessage())), ()
    if record.exc_info:
        record.exc_text = mask(QUERY.sub("?…", _PLAIN.formatException(record.exc_info)))
    return True


class _Handler(logging.StreamHandler[Any]):
    """Writes to the stream."""

    def createLock(self) -> None:  # noqa: N802 - logging's own name
        """A native lock: Python flows log from native threads, and gevent's own lock loses wake-ups between those."""
        monkey = sys.modules.get("gevent.monkey")
        self.lock = monkey.get_original("_thread", "RLock")() if monkey else threading.RLock()


class Lines(logging.Formatter):
    """All other log records, in the form of the requests' lines."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._as_json = as_json

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line; in development a traceback follows it."""
        # Masked before it is JSON: the n of an escaped line break would hide the number behind it.
        message = _masked(record.getMessage())
        trace = _masked(self.formatException(record.exc_info)) if record.exc_info else None
        if self._as_json:
            line = {"level": record.levelname.lower(), "logger": record.name, "message": message, "traceback": trace}
            return _json(line)
        text = f"{_now()[11:23]}  {record.levelname}  {message}"
        return safe_lines(f"{text}\n{trace}" if trace else text)


def _masked(text: str) -> str:
    """*text* with the numbers in it masked, but for addresses of Redis."""
    parts = ADDRESS.split(text)
    return "".join(part if index % 2 else mask(part) for index, part in enumerate(parts))


def _json(line: Line) -> str:
    return json.dumps({"at": _now()} | {name: value for name, value in line.items() if value is not None})


def _readable(line: Line) -> str:
    rest = (f"{name}={_one_line(str(value))}" for name, value in line.items() if name not in IN_FRONT and value)
    path, ms = _one_line(line["path"]), line["ms"]
    return f"{_now()[11:23]}  {line['status']}  {line['method']} {path}  {ms} ms  {'  '.join(rest)}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one_line(text: str) -> str:
    """An id may hold a line break, and then what follows it would pass for a line of ours."""
    return text if text.isprintable() else json.dumps(text)
