"""The file of the spool: what was added is there after any end of the process; a disk that takes nothing is said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.spool.errors import SpoolUnavailable
from app.spool.file import NAME, TALLIED, Row, SpoolFile, unreadable
from tests.engines import wait_until
from tests.serving import ROOT

# Adds rows, one in a commit, each named by a number, and says so after each; the number of the first is its argument.
ADDS = """
import sys
from pathlib import Path
from app.spool.file import Row, SpoolFile
file, number = SpoolFile(Path(sys.argv[1]), 64), int(sys.argv[2])
while True:
    file.add([Row(0, 1, 0, str(number), b"x" * 300)], 0.0)
    print(number, flush=True)
    number += 1
"""


def row(name: str, record: bytes = b"x" * 300) -> Row:
    return Row(0, 1, 0, name, record)


def named(rows: list[Row]) -> list[str | None]:
    return [each.unfiled_for for each in rows]


def start_adding(folder: Path, first: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", ADDS, str(folder), str(first)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def test_what_was_acknowledged_is_there_after_a_kill_whoever_else_adds(tmp_path: Path) -> None:
    adding = [start_adding(tmp_path, first) for first in (0, 100_000)]
    said: list[int] = []
    for process in adding:
        assert process.stdout is not None
        said += [int(process.stdout.readline()) for _ in range(20)]
    for process in adding:
        os.kill(process.pid, signal.SIGKILL)
        said += map(int, process.communicate()[0].split())
    found = [int(name or "") for name in named(SpoolFile(tmp_path, 64).after(0, 1_000_000))]
    assert len(found) == len(set(found))
    assert set(said) <= set(found)
    assert len(found) <= len(said) + 2, "at most one of each was kept and not said"


def test_the_oldest_that_are_due_come_first_and_what_is_done_is_gone(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path, 64)
    for name in "abcd":
        file.add([row(name)], 5.0)
    first = file.first(2, 10.0)
    assert named(first) == ["a", "b"]
    assert file.settle([first[0].id], [(99.0, True, first[1].id)]), "two that are not refused"
    left = file.depth()
    assert (left.rows, left.since, left.refused) == (3, 5.0, 1)
    assert named(file.first(9, 10.0)) == ["c", "d"]
    assert named(file.first(9, 100.0)) == ["b", "c", "d"]
    file.add([Row(0, TALLIED, 0, None, b"counts")], 1.0)
    left = file.depth()
    assert (left.rows, left.since, left.refused) == (3, 5.0, 1), "counts are no events"
    assert not file.settle([each.id for each in file.first(2, 10.0)], [])


def test_an_empty_spool_gives_the_disk_back_its_room(tmp_path: Path) -> None:
    file = SpoolFile(tmp_path, 64)
    file.add([row(str(number)) for number in range(5000)], 0.0)
    grown = sum(path.stat().st_size for path in tmp_path.iterdir())
    file.settle([each.id for each in file.first(5000, 1.0)], [])
    assert grown > 1_000_000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 100_000


def test_a_full_spool_says_so_keeps_what_it_has_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    file, kept = SpoolFile(tmp_path, 1), 0

    def fill() -> None:
        nonlocal kept
        while True:
            file.add([row(str(kept + number)) for number in range(50)], 0.0)
            kept += 50

    with pytest.raises(SpoolUnavailable, match="disk full"):
        fill()
    assert kept > 1000
    assert len(file.first(10_000, 1.0)) == kept, "of those that were refused none is kept by halves"
    file.settle([each.id for each in file.first(200, 1.0)], [])
    file.add([row("after")], 0.0)
    assert file.depth().rows == kept - 200 + 1


def _no_folder(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "below"


def _no_such_device(_: Path) -> Path:
    return Path("/proc/spool")  # nobody can make a folder there


@pytest.mark.parametrize("place", [_no_folder, _no_such_device])
def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    file = SpoolFile(place(tmp_path), 64)
    for use in (lambda: file.add([row("a")], 0.0), file.probe, file.lease):
        with pytest.raises(SpoolUnavailable):
            use()


def test_a_disk_that_takes_no_more_bytes_is_said(tmp_path: Path) -> None:
    """RLIMIT_FSIZE makes the system refuse to write, as a full disk does."""
    program = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n" + ADDS
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "SpoolUnavailable: the spool is away (disk" in ended.stderr
    said = ended.stdout.split()
    assert len(said) > 10
    assert named(SpoolFile(tmp_path, 64).after(0, 10_000)) == said


@pytest.mark.parametrize("damage", ["no database", "a page of it"])
def test_an_unreadable_file_is_put_aside_and_others_go_on_in_the_new_one(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    file, other = SpoolFile(tmp_path, 64), SpoolFile(tmp_path, 64)
    file.add([row(str(number)) for number in range(1000)], 0.0)
    other.add([row("other")], 0.0)
    file.close()
    other.close()  # else the write-ahead log, which is whole, is read in place of the file
    if damage == "no database":
        (tmp_path / NAME).write_bytes(b"no database" * 1000)
    else:
        with (tmp_path / NAME).open("r+b") as raw:
            raw.seek(4096)
            raw.write(b"\xff" * 4096 * 20)
    assert file.first(9, 1.0) == []
    other.add([row("later")], 0.0)
    assert named(file.first(9, 1.0)) == ["later"], "both are in the same new file"
    assert len(unreadable(tmp_path)) == 1
    assert "it is put aside as spool-unreadable-" in caplog.text


def test_a_worker_with_the_file_open_follows_to_the_new_one(tmp_path: Path) -> None:
    file, other = SpoolFile(tmp_path, 64), SpoolFile(tmp_path, 64)
    other.add([row("before")], 0.0)
    file.add([row("before, too")], 0.0)
    file._put_aside("a test says so")
    other.add([row("after")], 0.0)
    assert named(file.first(9, 1.0)) == ["after"]
    assert len(unreadable(tmp_path)) == 1


def test_one_process_has_the_lease_until_it_ends(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from app.spool.file import SpoolFile;"
        " file = SpoolFile(Path(sys.argv[1]), 64);"
        " file.depth(); print(file.lease(), flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    file = SpoolFile(tmp_path, 64)
    assert not file.lease()
    holder.kill()
    holder.communicate()
    wait_until(file.lease, "the lease is free")
