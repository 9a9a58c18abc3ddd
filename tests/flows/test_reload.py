"""The flows file is read anew when it changes; while there is a fault in it the last good state stays."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from app.flows.reader import FlowFileFaults
from app.flows.reload import FlowReloader
from tests.engines import wait_until
from tests.flows.flow_file_of import SETTINGS

GOOD = "routes: [{flow: one}]\nflows: {one: [{action: talk, text: One}]}\n"
BETTER = GOOD.replace("One", "Two")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "flows.yaml"
    file.write_text(GOOD)
    return file


def text_of(reloader: FlowReloader) -> str | None:
    return reloader.flow_file.text if reloader.flow_file else None


def test_it_is_read_when_it_is_first_wanted_and_then_only_when_it_has_changed(file: Path) -> None:
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.read_at is None
    assert text_of(reloader) == GOOD
    assert not reloader.refresh()
    file.write_text(BETTER)
    assert text_of(reloader) == GOOD
    assert reloader.refresh()
    assert text_of(reloader) == BETTER


def test_with_a_fault_in_it_the_last_good_state_stays(file: Path) -> None:
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.flow_file
    file.write_text(GOOD.replace("talk", "tlak"))
    assert reloader.refresh()
    assert text_of(reloader) == GOOD
    assert [fault.line for fault in reloader.faults] == [2]
    file.write_text(BETTER)
    assert reloader.refresh()
    assert (text_of(reloader), reloader.faults) == (BETTER, ())


@pytest.mark.parametrize("wrong", ["", "nonsense", "a: b: c"])
def test_without_any_good_state_there_is_none(file: Path, wrong: str) -> None:
    file.write_text(wrong)
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.flow_file is None
    assert reloader.faults


def test_a_file_that_is_not_there_may_come_later(file: Path) -> None:
    file.unlink()
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.flow_file is None
    file.write_text(GOOD)
    assert reloader.refresh()
    assert text_of(reloader) == GOOD


def test_a_file_that_replaces_the_old_one_is_seen_with_any_timestamps(file: Path) -> None:
    """As editors do it: a new file with the name of the old."""
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.flow_file
    other = file.with_name("other")
    other.write_text(BETTER)
    other.rename(file)
    assert reloader.refresh()
    assert text_of(reloader) == BETTER


def test_a_thread_checks_the_file_by_itself(file: Path) -> None:
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.flow_file
    reloader.start()
    try:
        file.write_text(BETTER)
        wait_until(lambda: text_of(reloader) == BETTER, "the change is seen", 10)
    finally:
        reloader.stop()


def test_any_error_while_it_is_read_is_a_fault(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of it")

    monkeypatch.setattr("app.flows.loading.load", broken)
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.flow_file is None
    assert "ZeroDivisionError: nobody thought of it" in str(reloader.faults[0])


def test_a_module_of_python_that_is_broken_is_watched_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that a new flow names, of which there was never a good state."""
    monkeypatch.syspath_prepend(file.parent)
    module = file.with_name("shelved_flow.py")
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.flow_file
    module.write_text("def flow(request:\n")
    file.write_text("routes: [{flow: one}]\nflows: {one: {python: 'shelved_flow:flow'}}\n")
    assert reloader.refresh()
    assert "shelved_flow" in str(reloader.faults[0])
    assert not reloader.refresh()
    module.write_text("def flow(request):\n    return []\n")
    assert reloader.refresh()
    assert reloader.faults == ()
    assert reloader.flow_file.flows["one"].python is not None


@pytest.mark.parametrize("spec", ["late_flow:flow", "late_package.inner:flow"])
def test_a_module_that_is_not_there_is_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    """Or that is in a package which cannot be imported."""
    monkeypatch.syspath_prepend(file.parent)
    where = file.parent / spec.partition(":")[0].replace(".", "/")
    where.parent.mkdir(exist_ok=True)
    if "package" in spec:
        (where.parent / "__init__.py").write_text("1 / 0\n")
    file.write_text(f"routes: [{{flow: one}}]\nflows: {{one: {{python: '{spec}'}}}}\n")
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.flow_file is None
    assert not reloader.refresh()
    if "package" in spec:
        (where.parent / "__init__.py").write_text("")
    where.with_suffix(".py").write_text("def flow(request):\n    return []\n")
    assert reloader.refresh()
    assert reloader.faults == ()


def test_a_worker_does_not_wait_long_for_what_takes_long(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = threading.Event()

    def slow(*_: object) -> None:
        waiting.wait(10)
        raise FlowFileFaults([], [file])

    monkeypatch.setattr("app.flows.loading.load", slow)
    monkeypatch.setattr("app.flows.reload.FIRST_READ", 0.2)
    reloader = FlowReloader(file, SETTINGS)
    started = time.monotonic()
    reloader.start()
    assert reloader.flow_file is None, "callers hear the last resort meanwhile"
    assert time.monotonic() - started < 5
    reloader.stop()
    waiting.set()


def test_what_is_mended_while_the_file_is_read_is_not_overlooked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of Python may take its time to be imported."""
    module = file.with_name("other.py")
    module.write_text("broken")

    def slow(*_: object) -> None:
        time.sleep(0.05)  # files have the time of a clock that ticks
        module.write_text("mended")
        raise FlowFileFaults([], [file, module])

    monkeypatch.setattr("app.flows.loading.load", slow)
    reloader = FlowReloader(file, SETTINGS)
    assert reloader.refresh()
    assert reloader.refresh(), "it is read again"
