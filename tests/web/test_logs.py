"""What else is logged beside the requests: one form for programs, one for people, and no whole number in either."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from app.web.logs import LOGGERS, Lines, install

NUMBER = "447700900123"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


def record(
    message: str, *values: Any, level: int = logging.WARNING, fault: BaseException | None = None
) -> logging.LogRecord:
    """What a logger hands to its formatter."""
    trace = (type(fault), fault, fault.__traceback__) if fault else None
    return logging.LogRecord("app.store", level, __file__, 1, message, values, trace)


def raised(message: str) -> ValueError:
    """An error with a traceback."""
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def test_for_programs_a_record_is_one_json_object_on_one_line() -> None:
    text = Lines(as_json=True).format(record('a "quoted"\nmessage of\r\n%s \x1b[31m lines\u2028', 4))
    assert text.isascii()
    assert text.isprintable(), "one line for any message"
    line = json.loads(text)
    assert list(line) == ["at", "level", "logger", "message"]
    assert MOMENT.fullmatch(line["at"])
    assert (line["level"], line["logger"]) == ("warning", "app.store")
    assert line["message"] == 'a "quoted"\nmessage of\r\n4 \x1b[31m lines\u2028'


def test_for_people_a_record_begins_with_the_time_and_how_bad_it_is() -> None:
    text = Lines(as_json=False).format(record("Redis is away (%s)", "timeout"))
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3}  WARNING  Redis is away \(timeout\)", text)


@pytest.mark.parametrize("as_json", [True, False])
def test_an_error_comes_with_its_traceback(as_json: bool) -> None:
    text = Lines(as_json=as_json).format(record("an error of ours", level=logging.ERROR, fault=raised("oh")))
    trace = json.loads(text)["traceback"] if as_json else text.partition("\n")[2]
    assert trace.startswith("Traceback (most recent call last):")
    assert trace.endswith("ValueError: oh")
    assert ("\n" in text) is not as_json


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize(
    "written",
    [NUMBER, f"+{NUMBER}", f"to {NUMBER}.", f"sip:{NUMBER}@a.example", f"{{'from': '{NUMBER}'}}", f"a\n{NUMBER}\nb"],
)
def test_no_whole_number_is_written(as_json: bool, written: str) -> None:
    """Neither in the message, nor in its arguments, nor in an error's own text."""
    for entry in (
        record(f"met {written}"),
        record("met %s", written),
        record("%s", written),
        record("an error of ours", fault=raised(written)),
    ):
        text = Lines(as_json=as_json).format(entry)
        assert NUMBER not in text
        assert "0123" in text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Error 111 connecting to 127.0.0.1:9190. Connection refused.", "connecting to 127.0.0.1:9190. "),
        ("Error while reading from 192.168.100.200:63790 : (104, 'reset')", "reading from 192.168.100.200:63790 :"),
        ("Redis at 10.20.30.40:6379 (REDIS_URL)", "Redis at 10.20.30.40:6379 ("),
        ("from 44.77.00.90:0123", "from **.**.**.**:0123"),
        ("connecting to 44.77.00.90:0123", "connecting to **.**.**.**:0123"),
        ("connecting to 447700900123", "connecting to ********0123"),
        ("connecting to 10.20.30.40:447700900123", "connecting to **.**.**.**:********0123"),
    ],
)
def test_the_address_of_redis_is_written_whole_and_no_number_in_its_place(written: str, shown: str) -> None:
    assert shown in Lines(as_json=False).format(record(written))


def test_ids_are_written_whole() -> None:
    name = "CON-12345678-1234-4321-8123-123456789012"
    assert name in Lines(as_json=True).format(record("lost %s", name))


def test_what_gunicorn_logs_is_masked_too(caplog: pytest.LogCaptureFixture) -> None:
    install(Flask("another"), "json")
    uri = f"/voice/answer?from={NUMBER}&token=hunter2"
    fault = raised(f"{uri} of {NUMBER}")
    logging.getLogger("gunicorn.error").error("Error handling request %s %s", "GET", uri, exc_info=fault)
    assert "Error handling request GET /voice/answer?…" in caplog.text
    assert "ValueError: /voice/answer?… of ********0123" in caplog.text
    assert NUMBER not in caplog.text
    assert "hunter2" not in caplog.text


@pytest.fixture
def loggers() -> Iterator[list[logging.Logger]]:
    """Our loggers, put back as they were in the end."""
    ours = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in ours]
    yield ours
    for logger, (handlers, level, propagate) in zip(ours, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.parametrize("as_json", [True, False])
def test_a_message_is_written_once_to_standard_output(
    loggers: list[logging.Logger], monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    """Platforms read standard output; an app that is built twice in one process does not write all things twice."""
    for _ in range(2):
        output = io.StringIO()
        monkeypatch.setattr(sys, "stdout", output)
        install(Flask("another"), "json" if as_json else "lines")
    logging.getLogger("app.somewhere").info("heard %s", "this")
    logging.getLogger("app.somewhere").debug("not this")
    logging.getLogger("elsewhere").error("nor this, which is another's")
    assert output.getvalue().count("heard this") == 1
    assert output.getvalue().count("\n") == 1
    assert "not this" not in output.getvalue()
    assert "nor this" not in output.getvalue()


def test_a_request_is_answered_though_its_line_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk behind the log is full, or its reader is gone: the caller must not suffer for it."""

    class Full(io.StringIO):
        def write(self, _: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdout", Full())
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "here")
    install(app, "json")
    assert app.test_client().get("/").status_code == 200
