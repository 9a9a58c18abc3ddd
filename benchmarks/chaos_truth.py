"""What `benchmarks/chaos.py` sends, what came back, and what of it the server does not say."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote

from benchmarks.chaos_server import START_SECONDS, Supervised, ask, patiently

TAKEN: Final = "200"
LIFE: Final = ("started", "ringing", "answered", "completed")
ENDED: Final = ("ended", "0.02", [("answered", 2)] * 2)  # state, price, and legs of each call in the end
CALLER: Final = {"from": "447700900123", "to": "442079460000"}


@dataclass
class Tries:
    """What came of requests: how long each 200 took, in seconds, and how often there was none."""

    seconds: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


@dataclass
class Truth:
    """What was sent, by conversation: events that were acknowledged, and how often an answer was requested.

    *tries* are by the fault under way when they began; *wrong* are responses that no fault excuses; *killed*: processes
    of the server are, so that connections break.
    """

    acknowledged: dict[str, list[str]] = field(default_factory=dict)
    requested: Counter[str] = field(default_factory=Counter)
    tries: defaultdict[str, Tries] = field(default_factory=lambda: defaultdict(Tries))
    wrong: list[str] = field(default_factory=list)
    fault: str = "none"
    killed: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def count(self) -> int:
        with self.lock:
            return sum(map(len, self.acknowledged.values()))


def webhooks(conversation: str) -> Iterator[dict[str, Any]]:
    """The events of a call of two legs, one after the other."""
    began = datetime.now(UTC)
    for number, status in enumerate(LIFE):
        for leg in ("caller", "callee"):
            at = began + timedelta(seconds=number, milliseconds=leg == "callee")
            body = {"conversation_uuid": conversation, "uuid": f"{conversation}-{leg}", "status": status}
            body |= CALLER | {"timestamp": at.isoformat(timespec="milliseconds")}
            body |= {"direction": "inbound" if leg == "caller" else "outbound"}
            yield body | ({"duration": "2", "price": "0.01", "rate": "0.30"} if status == "completed" else {})


def play(server: Supervised, truth: Truth, name: str, over: threading.Event) -> None:
    """Play calls until it is *over*; the last one is played to its end."""
    count = 0
    while not over.is_set():
        count += 1
        conversation = f"CON-{name}-{count}"
        _send(
            server,
            truth,
            "/voice/answer",
            {"conversation_uuid": conversation, "uuid": f"{conversation}-caller"} | CALLER,
        )
        for body in webhooks(conversation):
            _send(server, truth, "/voice/event", body)
            with truth.lock:
                truth.acknowledged.setdefault(conversation, []).append(f"{body['uuid']} {body['status']}")


def _send(server: Supervised, truth: Truth, path: str, body: dict[str, Any]) -> None:
    """Send a webhook until there is a 200, as if Vonage never gave up."""
    text = json.dumps(body).encode()
    while True:
        if path == "/voice/answer":
            with truth.lock:
                truth.requested[body["conversation_uuid"]] += 1
        began, fault = time.monotonic(), truth.fault
        try:
            status, reply = ask(server.port, "POST", path, text)
        except (OSError, HTTPException) as error:
            came, right, reply = type(error).__name__, truth.killed and not isinstance(error, TimeoutError), b""
        else:
            full, nowhere = server.full.since(began), server.nowhere.since(began)
            came, right = judged(path, status, reply, full=full, nowhere=nowhere)
        with truth.lock:
            if came == TAKEN:
                truth.tries[fault].seconds.append(time.monotonic() - began)
                return
            truth.tries[fault].others[came] += 1
            if not right:
                truth.wrong.append(f"{came} from {path}, fault: {fault} {reply.decode()}")
        time.sleep(0.05)


def judged(path: str, status: int, reply: bytes, *, full: bool, nowhere: bool) -> tuple[str, bool]:
    """How a response is counted, TAKEN if all is well, and whether it was right.

    *full*: the disk took nothing; *nowhere*: and the store had a fault, too.
    """
    if path == "/voice/answer":
        return (TAKEN, True) if status == 200 and _is_ncco(reply) else (f"{status} without NCCO", False)
    if status == 503 and full and not nowhere:
        return "503 of a slow store", True  # on a busy machine it may be too slow for one of them
    return str(status), status == 200 or (status == 503 and nowhere)


def _is_ncco(reply: bytes) -> bool:
    """Whether Vonage finds something to do for the caller in it."""
    actions = json.loads(reply)
    return bool(actions) and all("action" in action for action in actions)


def _states(port: int) -> Iterator[tuple[str, Any]]:
    """Each conversation with its state, its price, and the outcome and duration of its legs."""
    cursor = ""
    while True:
        page = patiently(port, f"/api/v1/conversations?limit=500{cursor}")
        for found in page["items"]:
            legs = [(leg["outcome"], leg["duration_seconds"]) for leg in found["legs"]]
            yield found["conversation_uuid"], (found["state"], found["price"], legs)
        if page["next"] is None:
            return
        cursor = f"&cursor={quote(page['next'])}"


def differences(port: int, truth: Truth) -> Iterator[str]:
    """Where the server does not say what was sent."""
    least, deadline = None, 0.0
    while waiting := patiently(port, "/status")["spool"]["waiting"]:
        if least is None or waiting < least:
            least, deadline = waiting, time.monotonic() + START_SECONDS
        elif time.monotonic() > deadline:
            yield f"{waiting} events still wait on disk"
            return
        time.sleep(0.1)
    kept, states = 0, dict(_states(port))
    for conversation, sent in truth.acknowledged.items():
        found = patiently(port, f"/api/v1/conversations/{conversation}/events?limit=500")["items"]
        there = Counter(f"{event['leg']} {event['status']}" for event in found if event["kind"] != "answer")
        kept += len(found)
        yield from (f"{conversation}: lost {lost}" for lost in (Counter(sent) - there).elements())
        yield from (f"{conversation}: {extra} is there once more" for extra in (there - Counter(sent)).elements())
        answers = len(found) - there.total()  # a record of an answer may be lost with its process
        if answers > truth.requested[conversation]:
            yield f"{conversation}: {answers} answers, of {truth.requested[conversation]} that were requested"
        if states.get(conversation) != ENDED:
            yield f"{conversation}: it is {states.get(conversation)}"
    status = patiently(port, "/status")
    counters = status["webhooks"]
    said = {"ended": status["conversations"]["ended"], "kept": counters["received"] - counters["repeats"]}
    said |= {"live": status["conversations"]["live"], "legs": sum(status["legs"].values())}
    should = {"ended": len(truth.acknowledged), "kept": kept, "live": 0, "legs": 0}
    yield from (
        f"counter {name}: {said[name]} instead of {should[name]}" for name in said if said[name] != should[name]
    )
