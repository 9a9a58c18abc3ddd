"""One line for each request: JSON in production, readable in development. Numbers masked, query strings left out."""

from __future__ import annotations

import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

from flask import Flask, Response, g, request

from app.domain.events import Event
from app.domain.numbers import mask

requests = logging.getLogger("switchhook.requests")
SHOWN_ALWAYS = ("method", "path", "status", "ms")


def tell(*, event: Event | None = None, outcome: str | None = None) -> None:
    """Add to the line of this request: whom the event is about, what became of it."""
    told: dict[str, Any] = g.setdefault("told", {})
    if event is not None:
        told["kind"] = event.kind
        told["call_status"] = getattr(event, "status", None)
        told["conversation"] = event.homes[-1] if event.homes else None
        told["leg"] = event.leg
        told["from"] = getattr(event, "from_", None)
        told["to"] = getattr(event, "to", None)
    if outcome is not None:
        told["outcome"] = outcome


def install(app: Flask, *, as_json: bool) -> None:
    """Log every request of *app*, and whatever else is logged, to standard output."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines() if as_json else ReadableLines())
    root = logging.getLogger("switchhook")
    for logger in (root, logging.getLogger("app")):
        logger.handlers[:] = [handler]
        logger.setLevel(logging.INFO)
        logger.propagate = False

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        took = (time.perf_counter() - g.began) * 1000 if "began" in g else 0.0
        line = {
            "method": request.method,
            "path": mask(request.path),
            "status": response.status_code,
            "ms": round(took, 1),
        }
        told = {name: mask(value) for name, value in g.get("told", {}).items() if value is not None}
        requests.info("request", extra={"line": line | told})
        return response


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"at": _now(), "level": record.levelname.lower()}
        line |= getattr(record, "line", None) or {"logger": record.name, "message": mask(record.getMessage())}
        if record.exc_info:
            line["traceback"] = mask(self.formatException(record.exc_info))
        return json.dumps(line)


class ReadableLines(logging.Formatter):
    """For people: time, what was asked, what became of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] | None = getattr(record, "line", None)
        if line is None:
            text = f"{_now()[11:23]}  {record.levelname}  {mask(record.getMessage())}"
            return text + ("\n" + mask(self.formatException(record.exc_info)) if record.exc_info else "")
        rest = {name: value for name, value in line.items() if name not in SHOWN_ALWAYS}
        told = "  ".join(f"{name}={_one_line(str(value))}" for name, value in rest.items())
        return f"{_now()[11:23]}  {line['status']}  {line['method']} {_one_line(line['path'])}  {line['ms']} ms  {told}"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _one_line(text: str) -> str:
    """An id may hold a line break, and then what follows it would pass for a line of ours."""
    return text if text.isprintable() else json.dumps(text)
