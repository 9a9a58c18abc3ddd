"""What a version of this server kept, as a file: `python -m tests.stored` writes one more into tests/samples/stored/.

To be run when a record, a key or a field gets another form: later versions have to read all of these files.
"""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests import engines
from tests.api.site import Site
from tests.filled import fill, shown

FOLDER = Path(__file__).parent / "samples" / "stored"
CALLS = 4
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


def as_json(value: Any) -> Any:
    """*value* as it is in the file."""
    return json.loads(
        json.dumps(value, default=lambda odd: odd.decode("latin-1") if isinstance(odd, bytes) else str(odd))
    )


def main() -> None:
    """Write a file, named for the day."""
    with engines.single() as engine:
        site = Site(engine.address.url)
        try:
            fill(site, CALLS)
            kept = {"keys": dumped(engine.nodes[0].client), "shown": as_json(shown(site))}
        finally:
            site.close()
    path = FOLDER / f"{datetime.now(UTC):%Y-%m-%d}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept) + "\n")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
