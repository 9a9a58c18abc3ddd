"""`flask export` and `flask import`: all that a store keeps, as a file, and back into any store.

One JSON object a line. The first says what the file is, the last how much is in it: a file that was cut is noticed.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Final, NamedTuple, cast

import click

from app.cli.store import with_store
from app.services import services
from app.store.codec import NOTES, SORTS, Record, milliseconds, moment
from app.store.moving import Heard
from app.store.store import Store
from app.webhooks.body import BadBody
from vonage_simulator.printable import count, safe

FORMAT: Final = 1
PACKED: Final = b"\x1f\x8b"  # https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1
TOGETHER: Final = 16  # conversations that are kept at a time, and share the round trips to Redis
NAMES: Final = {sort: name for name, sort in SORTS.items()}

Line = dict[str, Any]


class Total(NamedTuple):
    """How much is in a file, or was new in a store."""

    conversations: int = 0
    records: int = 0
    users: int = 0
    names: int = 0
    unfiled: int = 0

    def __str__(self) -> str:
        words = [count(self.conversations, "conversation"), f"{count(self.records, 'record')} in them"]
        words += [count(self.users, "user"), count(self.names, "name"), count(self.unfiled, "unfiled webhook")]
        return ", ".join(words)


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, writable=True, allow_dash=True))
@with_store
def export(file: str) -> None:
    """Write all calls, users, names and unfiled webhooks to FILE: compressed if its name ends in .gz; - prints them.

    It may be done while calls come in: those that begin meanwhile are not in it. The file has whole telephone numbers.
    One that is there is replaced once all is written.
    """
    with _writing(file) as out:
        total = _export(services().store, lambda line: out.write(f"{json.dumps(line)}\n".encode()))
    click.echo(f"Exported {total}.", err=True)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@with_store
def import_(file: str) -> None:
    """Keep what `flask export` wrote to FILE; what is here stays. To do it again, or to go on, changes nothing else.

    Calls expire here when they would have there. What was counted of webhooks (received, repeats, refused) stays there.
    """
    with _reading(file) as lines:
        total = _import(services().store, lines, datetime.now(UTC))
    click.echo(f"Imported {total}; what was here already is not counted.")


@contextmanager
def _writing(file: str) -> Iterator[IO[bytes]]:
    """FILE appears, or is replaced, once all of it is written. Raises ClickException where it cannot be written."""
    if file == "-":
        yield sys.stdout.buffer
        return
    path = Path(file).resolve()  # of a link the file that it leads to
    odd = path.exists() and not path.is_file()  # a pipe or a device is not replaced
    try:
        opened: AbstractContextManager[IO[bytes]] = path.open("wb") if odd else _replacing(path)
        with opened as out, _packing(out, file) as packed:
            yield packed
    except OSError as error:
        raise click.ClickException(f"{safe(file)} was not written: {error.strerror or error}") from error


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file beside *path*, of its owner alone, that takes its place at the end; removed if something is raised."""
    with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
        try:
            yield cast("IO[bytes]", out)
            out.flush()
            os.fsync(out.fileno())
            if path.exists():
                shutil.copymode(path, out.name)
            Path(out.name).replace(path)
        except BaseException:
            Path(out.name).unlink()
            raise


@contextmanager
def _packing(out: IO[bytes], file: str) -> Iterator[IO[bytes]]:
    if not file.endswith(".gz"):
        yield out
        return
    with gzip.GzipFile(file, "wb", fileobj=out) as packed:  # the name is written into it
        yield cast("IO[bytes]", packed)


@contextmanager
def _reading(file: str) -> Iterator[Iterator[tuple[int, Line]]]:
    """Number and object of each line, compressed or not. Raises ClickException for a line that is none, by number."""
    with click.open_file(file, "rb") as raw:
        buffered = cast("io.BufferedReader", raw)
        if buffered.peek(2)[:2] == PACKED:
            with gzip.open(buffered) as unpacked:
                yield _lines(unpacked)
        else:
            yield _lines(buffered)


def _lines(found: Iterable[bytes]) -> Iterator[tuple[int, Line]]:
    number, lines = 0, iter(found)
    while True:
        number += 1
        try:
            text = next(lines)
            line = json.loads(text)
        except StopIteration:
            return
        except (ValueError, EOFError, OSError) as error:
            words = f"Line {number} cannot be read ({error}): what comes after it was not imported."
            raise click.ClickException(words) from error
        if not isinstance(line, dict):
            raise click.ClickException(f"Line {number} is no JSON object: what comes after it was not imported.")
        yield number, line


def _until_end(lines: Iterator[tuple[int, Line]]) -> Iterator[tuple[int, Line]]:
    """The *lines* before the last. Raises ClickException if there is none that ends them, or one behind it."""
    for number, line in lines:
        if "end" in line:
            if behind := next(lines, None):
                raise click.ClickException(f"Line {behind[0]} comes after the end of the export, line {number}.")
            return
        yield number, line
    raise click.ClickException("The file was cut: its end is missing. What it has was imported.")


def _export(store: Store, write: Callable[[Line], object]) -> Total:
    known = store.names()  # before anything is written: nothing is printed if Redis is away
    write({"switchhook": "export", "format": FORMAT, "at": datetime.now(UTC).isoformat()})
    users = [write({"user": name, "settings": dict(settings)}) for name, settings in store.all_users()]
    names = [write({"number": number, "name": name}) for number, name in known.items()]
    unfiled = 0
    for _, why, record in reversed(store.unfiled()):
        body = b64encode(record.body).decode()
        write({"unfiled": body, "why": why, "received": milliseconds(record.received)})
        unfiled += 1
    conversations = records = 0
    for conversation in store.all_conversations():
        kept = store.records(conversation)
        line: Line = {"conversation": conversation, "records": [_as_json(record) for record in kept]}
        if heard := store.heard(conversation, kept):
            line["heard"] = heard
        write(line)
        conversations, records = conversations + 1, records + len(kept)
    total = Total(conversations, records, len(users), len(names), unfiled)
    write({"end": total._asdict()})
    return total


def _as_json(record: Record) -> list[Any]:
    notes = list(record.notes)
    return [NAMES[record.sort], milliseconds(record.received), record.body.decode(errors="surrogateescape"), *notes]


def _import(store: Store, lines: Iterator[tuple[int, Line]], now: datetime) -> Total:
    """Keep *lines*; what was new. Raises ClickException, which names the line that is wrong."""
    _, head = next(lines, (0, {}))
    if head.get("switchhook") != "export":
        raise click.ClickException("This is no file of `flask export`: its first line says something else.")
    if head.get("format") != FORMAT:
        raise click.ClickException(f"It is of format {head.get('format')}, and this version reads {FORMAT}: upgrade.")
    new = Total()
    with ThreadPoolExecutor(TOGETHER) as pool:
        before_end = _until_end(lines)
        while True:
            batch, fault = list[tuple[int, Line]](), None
            try:
                batch.extend(islice(before_end, 32 * TOGETHER))
            except click.ClickException as error:  # what comes before it is imported all the same
                fault = error
            kept = pool.map(lambda numbered: _keep(store, numbered, now), batch)
            new = Total(*map(sum, zip(new, *kept, strict=True)))
            if fault is not None:
                raise fault
            if not batch:
                return new


def _keep(store: Store, numbered: tuple[int, Line], now: datetime) -> Total:
    number, line = numbered
    try:
        match line:
            case {"conversation": str(conversation), "records": list(found)}:
                records = [_record(each) for each in found]
                heard = [Heard(*each) for each in line.get("heard", ())]
                fresh = store.bring(conversation, records, heard, now)
                return Total(conversations=int(fresh == len(records) > 0), records=fresh)
            case {"user": str(name), "settings": dict(settings)}:
                return Total(users=int(store.bring_user(name, settings)))
            case {"number": str(digits), "name": str(name)}:
                return Total(names=int(store.bring_name(digits, name)))
            case {"unfiled": str(body), "why": str(why), "received": int(received)}:
                return Total(unfiled=int(store.bring_unfiled(b64decode(body), why, moment(received))))
    except (BadBody, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise click.ClickException(f"Line {number} is not as `flask export` writes it ({safe(str(error))}).") from error
    raise click.ClickException(f"Line {number} is not as `flask export` writes it.")


def _record(found: list[Any]) -> Record:
    sort, received, text, *notes = found
    if unknown := set(notes) - set(NOTES):
        raise ValueError(f"no such note: {', '.join(map(str, unknown))}")
    return Record(SORTS[sort], moment(received), text.encode(errors="surrogateescape"), tuple(notes))
