"""The embedded Valkey: started, adopted, kept to one server, and its calls still there after any end."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from redis import Redis

from config import embedded
from config.embedded import Engine, EngineFailed, EngineInUse, running
from config.settings import load


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Not started yet; stopped in the end."""
    engine = Engine(tmp_path / "var")
    yield engine
    engine.stop()


def ask(url: str, *command: str) -> object:
    with Redis.from_url(url, decode_responses=True) as client:
        return client.execute_command(*command)


def pid_of(engine: Engine) -> int:
    with Redis.from_url(engine.url) as client:
        return int(client.info("server")["process_id"])


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def abandoned_engine(data_dir: Path) -> Engine:
    """What a server that was killed leaves behind: an engine that runs, and nobody who holds its lock."""
    script = (
        "import os, signal, sys; from pathlib import Path; from config.embedded import Engine\n"
        "engine = Engine(Path(sys.argv[1])); engine.start(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(data_dir)], check=False)
    assert killed.returncode == -signal.SIGKILL
    return Engine(data_dir)


def test_the_engine_is_reached_by_socket_only_and_keeps_what_it_acknowledged(engine):
    engine.start()
    assert engine.alive()
    assert ask(engine.url, "CONFIG", "GET", "port") == {"port": "0"}
    for option, value in {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
    }.items():
        assert ask(engine.url, "CONFIG", "GET", option) == {option: value}
    ask(engine.url, "SET", "call", "kept")
    engine.stop()
    assert not engine.alive()
    engine.start()
    assert ask(engine.url, "GET", "call") == "kept"


def test_only_its_owner_can_enter(engine, tmp_path):
    engine.start()
    for path, mode in (("var", 0o700), ("var/engine", 0o700), ("var/engine/socket", 0o700)):
        assert (tmp_path / path).stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("name", ["with blanks", 'quote\'s "here"', "Größe", "what?#100%", "deep/" * 30])
def test_any_folder_name_works(tmp_path, name):
    """Blanks, quotes, letters of all kinds, and a path longer than a socket's address may be."""
    engine = Engine(tmp_path / name)
    engine.start()
    try:
        ask(engine.url, "SET", "call", "kept")
        assert Engine(tmp_path / name).url == engine.url
        assert (tmp_path / name / "engine" / "appendonlydir").is_dir()
    finally:
        engine.stop()
    assert not engine._socket.exists()


def test_a_folder_for_long_paths_that_others_may_enter_is_refused(tmp_path):
    """Anybody may make folders in /tmp, and name one as we would."""
    engine = Engine(tmp_path / ("long" * 30))
    trap = engine._socket.parent
    trap.mkdir(mode=0o755)
    try:
        with pytest.raises(EngineFailed, match="nobody else may enter"):
            engine.start()
    finally:
        trap.rmdir()


def test_after_kill_9_everything_acknowledged_is_there(engine):
    """Even where the last write was cut off in the middle."""
    engine.start()
    ask(engine.url, "SET", "call", "kept")
    os.kill(pid_of(engine), signal.SIGKILL)
    wait_until(lambda: not engine.alive())
    engine.stop()
    [log] = (engine._folder / "appendonlydir").glob("*.incr.aof")
    with log.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$4\r\nca")
    engine.start()
    assert ask(engine.url, "GET", "call") == "kept"


def test_an_engine_whose_server_was_killed_is_adopted_and_stopped(tmp_path):
    left = abandoned_engine(tmp_path / "var")
    assert left.alive()
    pid = pid_of(left)
    left.start()
    assert pid_of(left) == pid
    left.stop()
    assert not left.alive()


def test_a_second_server_learns_which_process_holds_the_folder(engine, tmp_path):
    engine.start()
    with pytest.raises(EngineInUse) as caught:
        Engine(tmp_path / "var").start()
    assert str(os.getpid()) in str(caught.value)
    assert "DATA_DIR" in str(caught.value)
    assert engine.alive()


def test_a_fork_neither_stops_the_engine_nor_holds_its_lock(engine):
    """gunicorn's workers are forks of the server that started it."""
    engine.start()
    worker = multiprocessing.get_context("fork").Process(target=engine.stop)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert engine.alive()


def test_no_second_engine_on_files_that_are_in_use(tmp_path, monkeypatch):
    """One that hangs is waited for, not replaced: two on one file would spoil it."""
    left = abandoned_engine(tmp_path / "var")
    pid = pid_of(left)
    os.kill(pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as short:
            short.setattr(embedded, "START_SECONDS", 0.3)
            short.setattr(embedded, "ANSWER_SECONDS", 0.1)
            with pytest.raises(EngineFailed, match="No answer"):
                left.start()
    finally:
        os.kill(pid, signal.SIGCONT)
    left.start()
    assert pid_of(left) == pid
    left.stop()


def test_an_engine_that_was_killed_is_started_again_with_what_it_acknowledged(engine):
    engine.start()
    ask(engine.url, "SET", "call", "kept")
    assert engine.tend() is None, "it runs"
    for _ in range(2):
        os.kill(pid_of(engine), signal.SIGKILL)
        said: list[str] = []

        def is_alive_again(said=said):
            said += filter(None, [engine.tend()])
            return said and engine.alive()

        wait_until(is_alive_again)
        assert len(said) == 1
        assert "started again" in said[0]
        assert ask(engine.url, "GET", "call") == "kept"
    assert engine.tend() is None


def test_an_engine_that_hangs_is_not_started_twice(engine):
    engine.start()
    pid = pid_of(engine)
    os.kill(pid, signal.SIGSTOP)
    try:
        assert engine.tend() is None
    finally:
        os.kill(pid, signal.SIGCONT)
    assert pid_of(engine) == pid


def test_an_engine_that_ends_again_and_again_is_started_at_growing_intervals(engine, monkeypatch):
    engine.start()
    os.kill(pid_of(engine), signal.SIGKILL)
    wait_until(engine._ended)
    now, starts = 1000.0, []
    with monkeypatch.context() as changed:
        changed.setattr(embedded, "binary", lambda: Path("/bin/false"))
        changed.setattr(time, "monotonic", lambda: now)
        for _ in range(600):
            if said := engine.tend():
                starts.append(now)
                last = said
                engine._process.wait()
            now += 1
    waits = [later - earlier for earlier, later in pairwise(starts)]
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(waits[7:]) == {60}
    assert "Its log ends" in last


def test_the_engine_stops_even_while_a_script_runs_endlessly(engine):
    engine.start()
    ask(engine.url, "SET", "call", "kept")
    ask(engine.url, "CONFIG", "SET", "busy-reply-threshold", "10")
    with Redis.from_url(engine.url) as client, client.pubsub() as connection:
        connection.execute_command("EVAL", "while true do end", "0")
        wait_until(lambda: b"BUSY" in engine._ask("GET call", 1))
        engine.stop()
    assert not engine.alive()
    engine.start()
    assert ask(engine.url, "GET", "call") == "kept"


def test_an_engine_that_hangs_is_killed_in_the_end(engine, monkeypatch):
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.2)
    monkeypatch.setattr(embedded, "ANSWER_SECONDS", 0.1)
    engine.start()
    pid = pid_of(engine)
    os.kill(pid, signal.SIGSTOP)
    engine.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_reason_it_does_not_start_is_taken_from_its_log(engine, tmp_path):
    engine.start()
    ask(engine.url, "SET", "call", "kept")
    engine.stop()
    [log] = (engine._folder / "appendonlydir").glob("*.incr.aof")
    log.write_bytes(b"no such thing\r\n" * 10)
    with pytest.raises(EngineFailed) as caught:
        engine.start()
    assert re.search("Bad file format|wrong", str(caught.value))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "var").write_text("a file is in the way")
    with pytest.raises(EngineFailed, match=r"cannot use .*/var: "):
        Engine(tmp_path / "var").start()


def test_a_tool_uses_the_store_that_is_set(tmp_path):
    settings = load({"DATA_DIR": str(tmp_path / "var"), "REDIS_URL": "redis://redis.example.com"})
    with running(settings) as url:
        assert url == "redis://redis.example.com"
    assert not (tmp_path / "var" / "engine").exists()


def test_a_tool_uses_the_running_servers_store_and_leaves_it_running(engine, tmp_path):
    engine.start()
    with running(load({"DATA_DIR": str(tmp_path / "var")})) as url:
        assert url == engine.url
        assert ask(url, "PING") is True
    assert engine.alive()


def test_a_tool_starts_the_store_for_itself_where_no_server_runs(engine, tmp_path):
    with running(load({"DATA_DIR": str(tmp_path / "var")})) as url:
        ask(url, "SET", "call", "kept")
    assert not engine.alive()
    engine.start()
    assert ask(engine.url, "GET", "call") == "kept"
