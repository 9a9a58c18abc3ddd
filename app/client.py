"""The phone of a user in Python, over the API of a Switchhook. See docs/clients.md."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from threading import Event, Thread
from time import sleep
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote
from uuid import uuid4

if TYPE_CHECKING:  # slow to import
    from requests import Response

log = logging.getLogger(__name__)

Json = dict[str, Any]
Listener = Callable[[Json], Any]
SECONDS: Final = 15.0  # to wait for a reply; Vonage itself waits 10 for an event
SILENCE: Final = 40.0  # the server gives a sign of life on a stream every 15 seconds
LONGEST_PAUSE: Final = 30.0  # between two attempts to connect
ATTEMPTS: Final = 5  # of a request that gets no response, with pauses of half a second, then twice as long each time
REFUSED: Final = (401, 403)  # another attempt with the same token would be refused as well


class Connection:
    """Requests of one server, *url*. No redirect is followed: it would turn a POST into a GET without its body."""

    def __init__(self, url: str) -> None:
        import requests

        self.base = url.rstrip("/")
        self._http = requests.Session()

    def request(self, method: str, path: str, **more: Any) -> Response:
        """The response; *more* as `requests` has it. Raises requests.RequestException."""
        return self._http.request(method, self.base + path, **{"timeout": SECONDS, "allow_redirects": False} | more)


class PhoneError(Exception):
    """What the server says is wrong: its problem (RFC 9457). `error_id` is None where it has none."""

    def __init__(self, problem: Json, *, passing: bool = False) -> None:
        """*passing*: the same request may soon get another response."""
        super().__init__(problem.get("detail") or problem.get("title"))
        self.problem, self.passing = problem, passing
        self.status, self.title, self.detail = (problem.get(name) for name in ("status", "title", "detail"))
        self.error_id = problem.get("error_id")


class Phone:
    """A user's phone. *token*: a text, or a function that returns a fresh one.

    All that requests something raises PhoneError, and requests.RequestException where there is no response. Verbs take
    the id of a session, and return the action or transfer as the API has it.
    """

    def __init__(self, url: str, user: str, token: str | Callable[[], str]) -> None:
        self.connection = Connection(url)
        self.user, self.token = user, token
        self.last_event_id: str | None = None
        self._listeners: dict[str, list[Listener]] = {}
        self._stop: Event | None = None

    # -- events ---------------------------------------------------------------------------------------------------

    def on(self, event: str, listener: Listener) -> None:
        """Call *listener* with the data of each *event* of the stream, as `call_answered`; in a thread of its own.

        `connected` and `disconnected` come with the user, `registrationFailed` with what is wrong as the server says
        it, and so `stopped`: the token was refused, and nobody follows any more.
        """
        self._listeners.setdefault(event, []).append(listener)

    def off(self, event: str, listener: Listener) -> None:
        """Call *listener* no more."""
        self._listeners[event] = [each for each in self._listeners.get(event, []) if each != listener]

    def _emit(self, event: str, data: Json) -> None:
        for listener in list(self._listeners.get(event, ())):
            try:
                listener(data)
            except Exception:  # a listener's fault must not end the stream
                log.exception("a listener to %s failed", event)

    def start(self) -> None:
        """Follow the user's events. Add listeners before."""
        if self._stop is None:
            self._stop = Event()
            Thread(target=self._follow, args=(self._stop,), daemon=True, name=f"events of {self.user}").start()

    def disconnect(self) -> None:
        """Follow them no more."""
        if self._stop is not None:
            self._stop.set()
            self._stop = None
            self._emit("disconnected", {"user": self.user})

    def _follow(self, stop: Event) -> None:
        pause = 1.0
        while not stop.is_set():
            connected, wanted, problem = self._attempt(stop)
            if stop.is_set():
                return
            if connected:
                pause = wanted
                self._emit("disconnected", {"user": self.user})
            else:
                self._emit("registrationFailed", problem)
                if problem["status"] in REFUSED:
                    self._stop = None
                    self._emit("stopped", problem)
                    return
            stop.wait(pause * random.uniform(0.5, 1))  # noqa: S311 (no secret)
            if not connected:
                pause = min(2 * pause, LONGEST_PAUSE)

    def _attempt(self, stop: Event) -> tuple[bool, float, Json]:
        """Follow over one connection: whether there was one, the pause that is wanted after it, the problem."""
        import requests

        connected, pause, problem = False, 1.0, {"status": 0, "title": "No response", "detail": ""}
        try:
            for data in self._events():
                if stop.is_set():
                    break
                if not connected:
                    connected = True
                    self._emit("connected", {"user": self.user})
                if "retry" in data:
                    pause = data["retry"] / 1000
                else:
                    self._emit(data["event"], data)
        except PhoneError as error:
            problem = error.problem
        except requests.RequestException as error:
            problem["detail"] = str(error)
        return connected, pause, problem

    def _events(self) -> Iterator[Json]:
        """The data of each event of one connection, once it came whole; and `retry`, the pause that is wanted (ms)."""
        resumed = {"Last-Event-ID": self.last_event_id} if self.last_event_id is not None else {}
        headers = {"Accept": "text/event-stream", **resumed}
        id_, data = self.last_event_id, list[str]()
        with self._send("GET", "/stream", headers=headers, stream=True, timeout=SILENCE) as response:
            for line in _lines(response):
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "id":
                    id_ = value
                elif name == "data":
                    data.append(value)
                elif name == "retry" and value.isdecimal():
                    yield {"retry": int(value)}
                elif not line:
                    self.last_event_id = id_
                    if data:
                        yield json.loads("\n".join(data))
                    data = []

    # -- what goes on ---------------------------------------------------------------------------------------------

    def phone(self) -> Json:
        """Live sessions, the current one, those that ring, and whether the limit is reached."""
        return self.request("GET", "/phone")

    def session(self, session: str) -> Json:
        """One session."""
        return self.request("GET", f"/sessions/{quote(session)}")

    def set_current_session(self, session: str) -> Json:
        """Choose the current session."""
        return self.request("PUT", "/current-session", {"currentSessionID": session})

    def set_session_static_status(self, session: str, **status: Any) -> Json:
        """Change what is shown of the other party: name, avatar, company, manual."""
        return self.request("PATCH", f"/sessions/{quote(session)}", status)

    def set_registered(self, registered: bool, seconds: int = 120, attempts: int = 0) -> Json:
        """Say whether the user's page is connected to Vonage; it is to be said again before *seconds* are over."""
        said = {"registered": registered, "seconds": seconds, "attempts": attempts}
        return self.request("PUT", "/registration", said)

    # -- verbs ----------------------------------------------------------------------------------------------------

    def call(self, number: str, transfer_id: str | None = None) -> Json:
        """Call a number: this user's page rings first. With the id of a session begin an attended transfer of it."""
        return self.request("POST", "/calls", {"number": number} | ({"transferId": transfer_id} if transfer_id else {}))

    def verb(self, session: str, verb: str, **arguments: Any) -> Json:
        """Any verb: hangup, reject, terminate, hold, unhold, mute, unmute, dtmf, record, transfer, answer."""
        return self.request("POST", f"/sessions/{quote(session)}/{verb}", arguments)

    def hangup(self, session: str) -> Json:
        """Hang up the user's leg."""
        return self.verb(session, "hangup")

    def reject(self, session: str) -> Json:
        """Refuse a call that rings."""
        return self.verb(session, "reject")

    def hold(self, session: str) -> Json:
        """Put the other party on hold."""
        return self.verb(session, "hold")

    def unhold(self, session: str) -> Json:
        """Take the other party off hold."""
        return self.verb(session, "unhold")

    def mute(self, session: str) -> Json:
        """Let nobody hear the user."""
        return self.verb(session, "mute")

    def unmute(self, session: str) -> Json:
        """Let the user be heard again."""
        return self.verb(session, "unmute")

    def dtmf(self, session: str, digits: str) -> Json:
        """Send tones to the other party."""
        return self.verb(session, "dtmf", digits=digits)

    def answer(self, session: str) -> Json:
        """Let the user's pages answer a call that rings: they alone have the sound."""
        return self.verb(session, "answer")

    def terminate(self, session: str, kind: str = "terminate") -> Json:
        """End a session for everybody in it; with "hangup" or "reject" for the user alone."""
        return self.verb(session, "terminate", type=kind)

    def record(self, session: str, action: str) -> Json:
        """Do start, pause, resume or stop to the recording."""
        return self.verb(session, "record", action=action)

    def blind_transfer(self, session: str, number: str) -> Json:
        """Transfer the other party."""
        return self.verb(session, "transfer", to=number, flow="blind")

    def attended_transfer(self, session: str, number: str) -> Json:
        """Begin a transfer with a consultation. Then `transfer`, with its id."""
        return self.call(number, session)

    def transfer(self, transfer: str, verb: str | None = None) -> Json:
        """Do complete, cancel, swap or merge to a transfer that began; without a verb, how it is now."""
        path = f"/transfers/{quote(transfer)}"
        if verb is None:
            return self.request("GET", path)
        return self.request("DELETE", path) if verb == "cancel" else self.request("POST", f"{path}/{verb}", {})

    # -- conferences ----------------------------------------------------------------------------------------------

    def start_conference(self, host: str, others: Sequence[str]) -> Json:
        """Merge sessions into one call. The conference; the other methods take its `conference_id`."""
        return self.request("POST", "/conferences", {"host": host, "others": list(others)})

    def conference(self, conference: str) -> Json:
        """A conference as it is now."""
        return self.request("GET", f"/conferences/{quote(conference)}")

    def add_participant(self, conference: str, session: str) -> Json:
        """Bring the other party of a session in."""
        return self.request("PUT", f"/conferences/{quote(conference)}/participants/{quote(session)}", {})

    def remove_participant(self, conference: str, leg: str, mode: str = "hangup") -> Json:
        """Hang up a participant, or with "detach" put it on hold by itself."""
        return self.request("DELETE", f"/conferences/{quote(conference)}/participants/{quote(leg)}?mode={mode}")

    def hold_member(self, conference: str, leg: str, verb: str = "hold") -> Json:
        """Let the host or a participant hear music while the others go on; "resume" brings it back."""
        return self.request("POST", f"/conferences/{quote(conference)}/participants/{quote(leg)}/{verb}", {})

    def end_conference(self, conference: str) -> Json:
        """Hang up everybody."""
        return self.request("DELETE", f"/conferences/{quote(conference)}")

    # -- how ------------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Json | None = None) -> Json:
        """What the server returns to a request of *path* below the user's address.

        Without a response it is sent again, with the same Idempotency-Key, so that it is done once.
        """
        import requests

        headers = {} if method == "GET" else {"Idempotency-Key": uuid4().hex}
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                found: Json = self._send(method, path, json=body, headers=headers).json()
            except PhoneError as error:
                if last or not error.passing:
                    raise
            except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError):
                if last:
                    raise
            else:
                return found
            sleep(0.25 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _send(self, method: str, path: str, **more: Any) -> Response:
        token = self.token if isinstance(self.token, str) else self.token()
        more["headers"] = {"Authorization": f"Bearer {token}", **more.get("headers", {})}
        path = f"/api/v1/users/{quote(self.user, safe='')}{path}"
        response = self.connection.request(method, path, **more)
        if response.status_code >= 300:
            unknown = {"status": response.status_code, "title": response.reason, "detail": ""}
            # The same request may soon get another response: nothing was done (503), or the first is under way (409).
            passing = response.status_code in (409, 503) and "Retry-After" in response.headers
            try:
                raise PhoneError(unknown | response.json(), passing=passing)
            except ValueError as error:
                raise PhoneError(unknown, passing=passing) from error
        return response


def _lines(response: Response) -> Iterator[str]:
    """The lines of a stream, each as soon as it is whole. `iter_lines` makes two of a CR LF in two pieces."""
    line, after = bytearray(), b""
    for byte in response.iter_content(1):
        if byte in (b"\r", b"\n"):
            if (after, byte) != (b"\r", b"\n"):
                yield line.decode()
                line.clear()
        else:
            line += byte
        after = byte
