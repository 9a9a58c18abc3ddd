"""What a version of this server kept, as a file: `python -m tests.stored` writes one more into tests/samples/stored/.

To be run when anything of it gets another form: a record, a key or a field in Redis, the file of the spool, an export,
what is sealed or signed. Later versions have to read all of these files.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from app.domain.operations import Entry
from app.domain.session_events import Mark
from app.domain.transfers import plan, project
from app.domain.users import Chosen, Registration
from app.store.audit import Reveal
from app.store.user_events import BEGINNING
from tests import engines
from tests.api.site import Site
from tests.cli.shell import Inside
from tests.domain.operation_model import Carrier, Workers
from tests.domain.transfer_builders import A, L, order
from tests.engines import wait_until
from tests.filled import fill, shown
from tests.generated import BASE
from tests.stored_elsewhere import LATER, of_export, of_logins, of_spool

FOLDER = Path(__file__).parent / "samples" / "stored"
CALLS = 4
OTHER_USER = "Carol"  # what `shown` says of users stays
PASSING = ("probe", "tidying", "counting", "feed")  # what a key ends in that is gone in a moment


def dumped(client: Any) -> dict[str, Any]:
    """Every key with its type and what is in it, bytes in base64."""
    found: dict[str, Any] = {}
    for key in sorted(client.scan_iter(count=1000)):
        if key.decode(errors="replace").endswith(PASSING):
            continue
        kind = client.type(key).decode()
        if kind == "none":  # it has just expired
            continue
        read: dict[str, Any] = {
            "string": lambda key=key: [client.get(key)],
            "list": lambda key=key: client.lrange(key, 0, -1),
            "set": lambda key=key: sorted(client.smembers(key)),
            "hash": lambda key=key: [each for pair in sorted(client.hgetall(key).items()) for each in pair],
            "zset": lambda key=key: [
                x for m, s in client.zrange(key, 0, -1, withscores=True) for x in (b"%.17g" % s, m)
            ],
            "stream": lambda key=key: [[id_, *sum(fields.items(), ())] for id_, fields in client.xrange(key)],
        }
        found[_text(key)] = [kind, _encoded(read[kind]())]
    return found


def load(client: Any, keys: dict[str, Any]) -> None:
    """Write what `dumped` read."""
    commands = {"string": "SET", "list": "RPUSH", "set": "SADD", "hash": "HSET", "zset": "ZADD"}
    for key, (kind, values) in keys.items():
        if kind == "stream":
            for entry in values:
                client.execute_command("XADD", b64decode(key), *map(b64decode, entry))
        else:
            client.execute_command(commands[kind], b64decode(key), *map(b64decode, values))


def _text(raw: bytes) -> str:
    return b64encode(raw).decode()


def _encoded(value: Any) -> Any:
    return [_encoded(item) for item in value] if isinstance(value, list | tuple) else _text(value)


def fill_besides(site: Site) -> None:
    """Keep what `fill` does not: operations, what a user says and was sent, who was shown numbers."""
    for name, seconds, due_in in (("rings", 5.0, 0.0), ("over", None, None)):
        site.store.append(f"transfer-{name}", transfer_log(seconds), due_in=due_in)
    site.store.set_remarks(OTHER_USER, "leg of CON-1", {"name": "Carroll", "manual": True})
    site.store.choose_session(OTHER_USER, Chosen("leg of CON-1", BASE))
    site.store.set_registration(OTHER_USER, Registration(registered=True, expires=LATER, attempts=2), BASE)
    mark = Mark(sent=("call_incoming",), muted=True, read=(("CON-1", 3),))
    assert site.store.publish(
        OTHER_USER, 0, {"leg of CON-1": mark}, [{"event": "call_incoming", "session": "leg of CON-1"}]
    )
    site.store.note_reveal(Reveal("who", "operator", "address", "GET /api/v1/conversations", "", 1, ("CON-1",)))
    site.store.begin_once("operator", "key", "digest", "claim")
    site.store.end_once("operator", "key", "digest", (201, "{}"))
    wait_until(lambda: not site.store.answers_waiting, "it is all written")
    site.store.ping()  # behind it, on the same connection


def transfer_log(seconds: float | None) -> list[Entry]:
    """The log of a transfer so many *seconds* after it began; None: it was completed, and has ended."""
    carrier = Carrier(Random(1), unlucky=False)
    for uuid in (A, L):
        carrier.begin(uuid, "CON-home")
    carrier.callees = [("answers", 20.0)]
    workers = Workers(carrier, project, plan, order(), skews=(0, 0))
    workers.run(60 if seconds is None else seconds)
    if seconds is None:
        workers.request("complete", by="operator")
        workers.run()
        assert workers.state().status == "ended"
    return [workers.log[0]._replace(name="transfer"), *workers.log[1:]]


def shown_besides(site: Site) -> dict[str, Any]:
    """What the API and the store say of that."""
    found: dict[str, Any] = {}
    for name in ("rings", "over"):
        path = f"transfers/transfer-{name}"
        found[path] = site.read(f"/api/v1/{path}")
        found[f"{path} log"] = [entry._asdict() for entry in site.store.log_of(f"transfer-{name}")]
    found["open"] = sorted(site.store.open_logs())
    user = site.store.user(OTHER_USER, BASE)
    found["user"] = {"chosen": user.chosen, "registration": user.registration}
    found["remarks"] = [each._asdict() for each in site.store.remarks(OTHER_USER, ["leg of CON-1"])]
    found["marks"] = [each._asdict() for each in site.store.marks(OTHER_USER, ["leg of CON-1"])]
    found["events"] = [event.data for event in site.store.user_events(OTHER_USER, BEGINNING, 10) or ()]
    found["audit"] = site.store.audit(1)[0].reveal._asdict()
    found["once"] = site.store.begin_once("operator", "key", "digest", "claim")
    return found


def as_json(value: Any) -> Any:
    """*value* as it is in the file."""
    return json.loads(
        json.dumps(value, default=lambda odd: odd.decode("latin-1") if isinstance(odd, bytes) else str(odd))
    )


def main() -> None:
    """Write a file, named for the minute."""
    with engines.single() as engine:
        inside = Inside(engine.address.url)
        site = inside.site
        try:
            fill(site, CALLS)
            kept = {"shown": as_json(shown(site)), **of_export(inside)}
            fill_besides(site)
            kept |= {"besides": as_json(shown_besides(site)), **of_spool(), **of_logins(site)}
            kept["keys"] = dumped(engine.nodes[0].client)
        finally:
            site.close()
    path = FOLDER / f"{datetime.now(UTC):%Y-%m-%dT%H%M}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept) + "\n")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
