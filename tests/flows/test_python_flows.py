"""Flows written in Python: how they are found, and that none of them can hold up the others."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from textwrap import dedent
from typing import Any, NoReturn

import pytest

from app.flows import python_actions, python_flows, python_modules
from app.flows.python_flows import PythonFlowFault, PythonFlows
from app.flows.python_modules import load
from app.flows.request import Request
from tests.engines import free_ports, wait_until

ROOT = Path(__file__).resolve().parents[2]
REQUEST = Request(from_="447700900123", to="442079460000")
SHORT = 0.2  # seconds that a flow has here
LONG = 60.0  # seconds for what must end by itself, on a machine that has other things to do

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes a file where modules are looked for. What was imported from there is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def written(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
        return path

    yield written
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]
            python_modules._read.pop(name, None)


def why_not(spec: str) -> str:
    """Why *spec* cannot be loaded."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - what it says is what is asked for
        load(spec)
    return str(caught.value)


def fault(flows: PythonFlows, function: Callable[[Request], Any]) -> str:
    """Why *function* gives nothing."""
    with pytest.raises(PythonFlowFault) as caught:
        flows.run(function, REQUEST)
    return str(caught.value)


def test_a_function_is_found_by_its_name_with_its_file(write: Write) -> None:
    path = write("welcome_1.py", "def greet(request):\n    return [{'action': 'talk', 'text': request.to}]\n")
    function, file = load("welcome_1:greet")
    assert function(REQUEST) == [{"action": "talk", "text": "442079460000"}]
    assert file == path


def test_it_may_be_in_a_package_and_use_what_is_beside_it(write: Write) -> None:
    write("shop_2/__init__.py", "")
    write("shop_2/words.py", "HELLO = 'hello'\n")
    path = write("shop_2/flow.py", "from . import words\n\ndef greet(request):\n    return words.HELLO\n")
    function, file = load("shop_2.flow:greet")
    assert function(REQUEST) == "hello"
    assert file == path
    assert sys.modules["shop_2"].flow is sys.modules["shop_2.flow"]


def test_a_module_is_executed_once_as_long_as_its_file_stays_the_same(write: Write) -> None:
    path = write("once_3.py", "def greet(request):\n    return 1\n")
    first = load("once_3:greet")[0]
    path.touch()
    assert load("once_3:greet")[0] is first
    assert importlib.import_module("once_3").greet is first


def test_a_module_whose_file_changed_is_executed_anew_and_old_calls_go_on(write: Write) -> None:
    """Even within one second, and with as many letters: compiled files do not differ by that."""
    write("fresh_4.py", "WORD = 'old'\nGONE = 1\n\ndef greet(request):\n    return WORD\n")
    old = load("fresh_4:greet")[0]
    write("fresh_4.py", "WORD = 'new'\nELSE = 1\n\ndef greet(request):\n    return WORD\n")
    new = load("fresh_4:greet")[0]
    assert (old(REQUEST), new(REQUEST)) == ("old", "new")
    assert not hasattr(sys.modules["fresh_4"], "GONE")
    assert sys.modules["fresh_4"].greet is new


def test_dataclasses_and_enums_work_in_such_a_module(write: Write) -> None:
    text = """
        from __future__ import annotations
        import pickle
        from dataclasses import dataclass, field
        from typing import ClassVar, get_type_hints

        @dataclass(slots=True, kw_only=True)
        class Menu:
            kept: ClassVar[int] = {0}
            keys: list[str] = field(default_factory=list)

        def greet(request):
            get_type_hints(Menu)
            return pickle.loads(pickle.dumps(Menu(keys=["{0}"]))).keys
    """
    for number in (1, 2):
        write("menu_5.py", text.replace("{0}", str(number)))
        assert load("menu_5:greet")[0](REQUEST) == [str(number)]


def test_a_package_that_is_executed_anew_keeps_its_modules(write: Write) -> None:
    text = "import shop_6.words\n\ndef greet(request):\n    return shop_6.words.HELLO, {0}\n"
    write("shop_6/words.py", "HELLO = 'hello'\n")
    for number in (1, 2):
        write("shop_6/__init__.py", text.replace("{0}", str(number)))
        assert load("shop_6:greet")[0](REQUEST) == ("hello", number)


def test_what_the_app_has_imported_already_is_not_executed_again() -> None:
    found: Any = load("app.flows.python_modules:load")[0]
    assert found is load
    assert sys.modules["app.flows.python_modules"] is python_modules


def test_a_change_for_the_worse_leaves_what_there_was(write: Write) -> None:
    write("worse_7.py", "def greet(request):\n    return 1\n")
    old = load("worse_7:greet")[0]
    write("worse_7.py", "def greet(request):\n    return 2\n\n1 / 0\n")
    assert why_not("worse_7:greet") == (
        "module worse_7 cannot be imported: ZeroDivisionError: division by zero (line 4 of worse_7.py)"
    )
    assert sys.modules["worse_7"].greet is old
    write("worse_7.py", "def greet(request):\n    return 3\n")
    assert load("worse_7:greet")[0](REQUEST) == 3


def test_a_module_that_could_not_be_imported_leaves_nothing_and_is_tried_again(write: Write) -> None:
    write("first_8.py", "raise SystemExit('no')\n")
    assert why_not("first_8:greet") == "module first_8 cannot be imported: SystemExit: no (line 1 of first_8.py)"
    assert "first_8" not in sys.modules
    write("first_8.py", "def greet(request):\n    return 1\n")
    assert load("first_8:greet")[0](REQUEST) == 1


@pytest.mark.parametrize(
    "spec", ["", "welcome", "welcome.greet", ":greet", "welcome:", "wel come:greet", ".welcome:greet", "a:b:c", "a:b.c"]
)
def test_what_is_no_module_and_function_is_refused(spec: str) -> None:
    assert "as in package.module:function" in why_not(spec)


def test_a_module_that_there_is_not_is_distinguished_from_one_that_it_imports(write: Write) -> None:
    write("shop_9/__init__.py", "")
    write("shop_9/flow.py", "\nimport not_there_9\n")
    for name in ("not_there_9", "not_there_9.flow", "shop_9.not_there", "json.decoder.deeper", "__main__"):
        assert why_not(f"{name}:greet").startswith(f"there is no module {name}: it is searched beside the app")
    assert why_not("shop_9.flow:greet") == (
        "module shop_9.flow cannot be imported: ModuleNotFoundError: No module named 'not_there_9' (line 2 of flow.py)"
    )


def test_what_goes_wrong_in_a_module_is_reported_with_its_line(write: Write) -> None:
    write("wrong_10.py", "import json\n\njson.loads('{')\n")
    assert "cannot be imported: JSONDecodeError: " in why_not("wrong_10:greet")
    assert why_not("wrong_10:greet").endswith("(line 3 of wrong_10.py)")  # not where json raises it
    write("wrong_10.py", "\ndef greet(request:\n")
    assert why_not("wrong_10:greet") == (
        "module wrong_10 cannot be imported: SyntaxError: '(' was never closed (line 2 of wrong_10.py)"
    )
    write("broken_10/__init__.py", "\n\nraise KeyError\n")
    write("broken_10/flow.py", "")
    assert why_not("broken_10.flow:greet") == (
        "module broken_10.flow cannot be imported: KeyError (line 3 of __init__.py)"
    )


def test_a_module_without_source_is_refused(tmp_path: Path, write: Write) -> None:
    assert why_not("sys:exit") == "module sys has no file of Python source"
    (tmp_path / "folder_11").mkdir()
    assert why_not("folder_11:greet") == "module folder_11 has no file of Python source"
    (tmp_path / "nul_11.py").write_bytes(b"a\x00b")
    assert why_not("nul_11:greet").startswith("module nul_11 cannot be imported: ")


def test_what_is_no_function_to_ask_is_refused(write: Write) -> None:
    write(
        "odd_12.py",
        """
        import functools

        GREETING = "hello"

        def greet(request):
            return []

        async def later(request):
            return []

        async def drip(request):
            yield []

        @functools.wraps(later)
        def wrapped(request):
            return later(request)

        partly = functools.partial(later)

        class Caller:
            async def __call__(self, request):
                return []

        caller = Caller()
        """,
    )
    assert why_not("odd_12:great") == "module odd_12 has no function great; did you mean greet?"
    assert why_not("odd_12:nothing_like_it") == "module odd_12 has no function nothing_like_it"
    assert why_not("odd_12:GREETING") == "GREETING in module odd_12 is no function: nothing can call it"
    for name in ("later", "drip", "wrapped", "partly", "caller"):
        assert why_not(f"odd_12:{name}").startswith(f"{name} in module odd_12 is asynchronous"), name


def test_the_result_of_the_function_is_returned() -> None:
    flows = PythonFlows()
    assert flows.run(lambda request: [request.to], REQUEST) == ["442079460000"]
    assert flows.run(lambda _: None, REQUEST) is None
    assert flows.left_behind == 0


def test_it_runs_in_another_thread_which_takes_the_next_one_too() -> None:
    flows = PythonFlows()
    idents = {flows.run(lambda _: threading.get_ident(), REQUEST) for _ in range(50)}
    assert len(idents) == 1
    assert threading.get_ident() not in idents


class Mute(Exception):
    """Cannot even say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no such menu"), "it raised ValueError: no such menu"),
        (KeyError(), "it raised KeyError"),
        (SystemExit(3), "it raised SystemExit: 3"),
        (KeyboardInterrupt(), "it raised KeyboardInterrupt"),
        (StopIteration(), "it raised StopIteration"),
        (GeneratorExit(), "it raised GeneratorExit"),
        (TimeoutError("slow"), "it raised TimeoutError: slow"),
        (Mute(), "it raised Mute"),
    ],
)
def test_any_exception_of_a_function_is_a_fault_with_its_cause(error: BaseException, words: str) -> None:
    def raises(_: Request) -> NoReturn:
        raise error

    flows = PythonFlows()
    with pytest.raises(PythonFlowFault) as caught:
        flows.run(raises, REQUEST)
    message, _, line = str(caught.value).partition(" (line ")
    assert message == words
    assert line.endswith(" of test_python_flows.py)")
    assert caught.value.__cause__ is error
    assert flows.run(lambda _: 1, REQUEST) == 1


def test_a_function_that_takes_too_long_is_left_behind_and_the_next_has_a_thread() -> None:
    flows, done = PythonFlows(seconds=SHORT), threading.Event()
    started = time.monotonic()
    assert fault(flows, lambda _: done.wait(LONG)) == "it took longer than 0.2 s"
    assert SHORT <= time.monotonic() - started < LONG / 2
    assert flows.left_behind == 1
    assert flows.run(lambda _: 1, REQUEST) == 1
    done.set()


def test_the_fault_names_the_time_limit() -> None:
    assert PythonFlows()._seconds == 2
    flows, done = PythonFlows(seconds=0.05), threading.Event()
    assert fault(flows, lambda _: done.wait(LONG)) == "it took longer than 0.05 s"
    done.set()


def test_with_too_many_left_behind_no_function_is_run() -> None:
    """Those that never come back end with a restart only; what was only slow does no harm for ever."""
    flows, done = PythonFlows(seconds=0.05, most_left_behind=2), threading.Event()
    for _ in range(2):
        assert fault(flows, lambda _: done.wait(LONG)).startswith("it took longer")
    refused = "refused: 2 threads of Python flows were left behind and have not returned; restart"
    assert fault(flows, lambda _: 1) == refused
    assert (flows.left_behind, flows.refuses) == (2, True)
    done.set()
    wait_until(lambda: flows._running == 0, "both came back")
    assert flows.run(lambda _: 1, REQUEST) == 1
    assert (flows.left_behind, flows.refuses) == (0, False)


def test_a_limited_number_runs_at_once() -> None:
    flows, done = PythonFlows(seconds=LONG, most_at_once=2), threading.Event()
    with ThreadPoolExecutor(2) as callers:
        both = [callers.submit(flows.run, lambda _: done.wait(LONG), REQUEST) for _ in range(2)]
        wait_until(lambda: flows._running == 2, "both are running")
        assert fault(flows, lambda _: 1) == "refused: too many at once: 2 Python flows are running"
        done.set()
        assert [future.result(LONG) for future in both] == [True, True]
    assert flows.run(lambda _: 1, REQUEST) == 1
    assert (len(flows._idle), flows.left_behind) == (2, 0)


def test_many_at_once_each_get_their_own_result() -> None:
    flows = PythonFlows(seconds=LONG)
    with ThreadPoolExecutor(16) as callers:
        found = callers.map(lambda number: flows.run(lambda _: number, REQUEST), range(500))
        assert list(found) == list(range(500))
    assert flows._running == 0
    assert len(flows._idle) <= 16


def test_where_the_system_has_no_more_threads_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: Any) -> NoReturn:
        raise RuntimeError("can't start new thread")

    real = python_flows._native
    flows = PythonFlows()
    with monkeypatch.context() as patched:
        patched.setattr(python_flows, "_native", lambda name: none_left if name == "start_new_thread" else real(name))
        assert fault(flows, lambda _: 1) == "refused: can't start new thread"
    assert flows.run(lambda _: 1, REQUEST) == 1


def python(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a Python of its own makes of *text*; it must end by itself."""
    given = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n{dedent(text)}"
    return subprocess.run(
        [sys.executable, "-c", given], cwd=folder, capture_output=True, text=True, timeout=LONG, check=False
    )


@pytest.mark.parametrize("patched", ["", "from gevent import monkey; monkey.patch_all()"], ids=["plain", "gevent"])
@pytest.mark.parametrize("hangs", ["time.sleep(1000)", "exec('while True: pass')", "native.acquire()"])
def test_one_that_hangs_keeps_no_process_from_ending(patched: str, hangs: str, tmp_path: Path) -> None:
    ended = python(
        f"""
{patched}
import _thread, time
from app.flows.python_flows import PythonFlowFault, PythonFlows
from app.flows.request import Request
native = _thread.allocate_lock()
native.acquire()
flows = PythonFlows(seconds=0.1)
print(flows.run(lambda request: 'well', Request()))
try:
    flows.run(lambda request: {hangs}, Request())
except PythonFlowFault as fault:
    print(fault)
sys.exit(7)
""",
        tmp_path,
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("well\nit took longer than 0.1 s\n", "", 7)


def test_a_process_that_forks_has_threads_of_its_own(tmp_path: Path) -> None:
    ended = python(
        """
        import os, time
        from app.flows.python_flows import PythonFlowFault, PythonFlows
        from app.flows.request import Request
        flows = PythonFlows(seconds=5, most_left_behind=1)
        assert flows.run(lambda request: 1, Request()) == 1
        if (child := os.fork()) == 0:
            assert flows.run(lambda request: 2, Request()) == 2
            os._exit(5)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        tmp_path,
    )
    assert (ended.stdout, ended.stderr) == ("5\n", "")


APP = """
import logging, threading, time

import gevent
import requests

from app.flows.python_flows import PythonFlowFault, PythonFlows
from app.flows.request import Request

flows = PythonFlows(seconds=4, most_left_behind=2)
lock, counted = threading.Lock(), []

def hang(request):
    while True:
        pass

def sleep(request):
    time.sleep(1000)

def leave(request):
    raise gevent.GreenletExit

def work(request):
    with lock:
        time.sleep(0.01)
        counted.append(threading.get_native_id())
    logging.getLogger("flow").warning("at work")
    held = threading.Event()
    threading.Thread(target=held.set).start()
    assert held.wait(2)
    return requests.get(request.to, timeout=60).text

def app(environ, start_response):
    path, port = environ["PATH_INFO"].strip("/"), environ["SERVER_PORT"]
    try:
        if path == "ok":
            given = "ok"
        elif path == "count":
            given = f"{threading.get_native_id() in counted} {len(set(counted)) <= 64} {flows.left_behind}"
        else:
            given = flows.run(globals()[path], Request(to=f"http://127.0.0.1:{port}/ok"))
    except PythonFlowFault as fault:
        given = str(fault)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [given.encode()]
"""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Asks one real worker of gunicorn, of the kind that the app has, for a path."""
    (tmp_path / "tiny.py").write_text(APP)
    port = free_ports(1)[0]
    log = tmp_path / "log"
    command = [
        "-m",
        "gunicorn",
        "-k",
        "gevent",
        "-w",
        "1",
        "-b",
        f"127.0.0.1:{port}",
        "--graceful-timeout",
        "10",
        "tiny:app",
    ]
    with log.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, *command],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ask(path: str) -> str:
        connection = HTTPConnection("127.0.0.1", port, timeout=LONG)
        try:
            connection.request("GET", f"/{path}")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def up() -> bool:
        assert server.poll() is None, log.read_text()
        try:
            return ask("ok") == "ok"
        except OSError:
            return False

    try:
        wait_until(up, "the worker answers", LONG)
        yield ask
        server.terminate()
        assert server.wait(LONG) == 0, log.read_text()
        assert "Traceback" not in log.read_text()
        assert "SIGKILL" not in log.read_text()  # the worker ended by itself, hanging thread or not
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait(LONG)


def test_in_a_real_worker_other_requests_are_answered_while_flows_hang(worker: Callable[[str], str]) -> None:
    with ThreadPoolExecutor(12) as callers:
        for _ in range(4):  # sleep, lock, thread and request, each its own
            assert list(callers.map(worker, ["work"] * 12)) == ["ok"] * 12
        assert worker("leave").startswith("it raised GreenletExit (line ")
        wait_until(lambda: worker("count") == "False True 0", "no thread is left behind")
        hanging = [callers.submit(worker, path) for path in ("hang", "sleep")]
        answered = 0
        while not all(future.done() for future in hanging):
            assert worker("ok") == "ok"
            assert worker("work") == "ok" or worker("count").endswith(" 2"), "served until both are left behind"
            answered += 1
        assert answered >= 2
        assert [one.result() for one in hanging] == ["it took longer than 4 s"] * 2
    assert worker("ok") == "ok"
    assert worker("count").endswith(" 2")
    assert worker("work").startswith("refused: 2 threads of Python flows were left behind")


def test_a_module_that_does_not_come_back_is_not_waited_for_without_end(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a second time, until its file has changed."""
    monkeypatch.setattr(python_modules, "_imports", PythonFlows(seconds=0.5))
    write("slow_40.py", "import time\ntime.sleep(3)\n")
    assert why_not("slow_40:greet") == "module slow_40 cannot be imported: it took longer than 0.5 s"
    assert why_not("slow_40:greet").startswith("module slow_40 cannot be imported: it took longer than")
    assert python_modules._imports.left_behind == 1
    write("slow_40.py", "def greet(request):\n    return 1\n")
    assert load("slow_40:greet")[0](REQUEST) == 1


@pytest.mark.parametrize("raised", ["KeyboardInterrupt", "asyncio.CancelledError", "GeneratorExit", "SystemExit(3)"])
def test_anything_a_module_raises_is_reported_and_ends_nothing(write: Write, raised: str) -> None:
    name = f"raises_41_{raised.partition('(')[0].replace('.', '_')}"
    write(f"{name}.py", f"import asyncio\nraise {raised}\n")
    assert raised.rpartition(".")[2].partition("(")[0] in why_not(f"{name}:greet")


def test_a_function_must_take_a_request(write: Write) -> None:
    write("none_42.py", "def greet():\n    return []\n")
    assert "cannot be called with a request: too many positional arguments" in why_not("none_42:greet")


class Slow(dict[str, Any]):
    """An action that takes its time to be read."""

    def items(self) -> Any:
        time.sleep(1)
        return super().items()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("a text", "it returned str, but must return a list of actions"),
        ({"action": "talk"}, "it returned dict, but must return"),
        ([5], "it returned what is no action"),
        ([{"action": float("nan")}], "it returned what is no action"),
        ([{"a": 1}] * 101, "it returned 101 actions, but must return 100 at most"),
        ([{"a": "x" * 70_000}], "characters of JSON, but must return 65,536 at most"),
    ],
)
def test_a_result_that_is_no_list_of_actions_is_a_fault(given: Any, words: str) -> None:
    with pytest.raises(PythonFlowFault) as caught:
        PythonFlows().run(lambda _: given, REQUEST, python_actions.actions_in)
    assert words in str(caught.value.__cause__)


def test_what_is_returned_is_read_in_the_thread_too() -> None:
    """It may be the flow's own code as well."""
    flows = PythonFlows(seconds=0.2)
    with pytest.raises(PythonFlowFault, match="took longer"):
        flows.run(lambda _: [Slow(a=1)], REQUEST, python_actions.actions_in)
    assert flows.run(lambda _: None, REQUEST, python_actions.actions_in) is None
    assert flows.run(lambda _: ({"a": (1, 2)},), REQUEST, python_actions.actions_in) == [{"a": [1, 2]}]
