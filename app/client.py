"""The phone of a user in Python, over the API of a Switchhook. See docs/clients.md."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:  # slow to import
    from requests import Response

Json = dict[str, Any]
Listener = Callable[[Json], Any]
SECONDS: Final = 15.0  # to wait for a reply; Vonage itself waits 10 for an event
SILENCE: Final = 40.0  # the server gives a sign of life on a stream every 15 seconds
LONGEST_PAUSE: Final = 30.0  # between two attempts to connect


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
    """What the server says is wrong: its problem (RFC 9457)."""

    def __init__(self, problem: Json) -> None:
        super().__init__(problem.get("detail") or problem.get("title"))
        self.problem = problem
        self.status, self.title, self.detail = (problem.get(name) for name in ("status", "title", "detail"))


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
        """Call *listener* with the data of each *event* of the stream, as `call_answered`; in a thread of its own."""
        self._listeners.setdefault(event, []).append(listener)

    def off(self, event: str, listener: Listener) -> None:
        """Call *listener* no more."""
        self._listeners[event] = [one for one in self._listeners.get(event, []) if one != listener]

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

    def _follow(self, stop: Event) -> None:
        import requests

        pause = 1.0
        while not stop.is_set():
            try:
                for data in self._events():
                    pause = 1.0
                    if stop.is_set():
                        return
                    for listener in list(self._listeners.get(data["event"], ())):
                        listener(data)
            except PhoneError as error:
                for listener in list(self._listeners.get("registrationFailed", ())):
                    listener(error.problem)
            except requests.RequestException:
                pass  # it is connected again
            stop.wait(pause * random.uniform(0.5, 1))  # noqa: S311 (no secret)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _events(self) -> Iterator[Json]:
        """The data of each event of one connection, once it came whole."""
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

    def blind_transfer(self, session: str, number: str) -> Json:
        """Transfer the other party."""
        return self.verb(session, "transfer", to=number, flow="blind")

    def attended_transfer(self, session: str, number: str) -> Json:
        """Begin a transfer with a consultation. Then `transfer`, with its id."""
        return self.call(number, session)

    def transfer(self, transfer: str, verb: str) -> Json:
        """Do complete, cancel, swap or merge to a transfer that began."""
        path = f"/transfers/{quote(transfer)}"
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

    def end_conference(self, conference: str) -> Json:
        """Hang up everybody."""
        return self.request("DELETE", f"/conferences/{quote(conference)}")

    # -- how ------------------------------------------------------------------------------------------------------

    def request(self, method: str, path: str, body: Json | None = None) -> Json:
        """What the server returns to a request of *path* below the user's address."""
        found: Json = self._send(method, path, json=body).json()
        return found

    def _send(self, method: str, path: str, **more: Any) -> Response:
        token = self.token if isinstance(self.token, str) else self.token()
        more["headers"] = {"Authorization": f"Bearer {token}", **more.get("headers", {})}
        path = f"/api/v1/users/{quote(self.user, safe='')}{path}"
        response = self.connection.request(method, path, **more)
        if response.status_code >= 300:
            unknown = {"status": response.status_code, "title": response.reason, "detail": ""}
            try:
                raise PhoneError(unknown | response.json())
            except ValueError as error:
                raise PhoneError(unknown) from error
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
