"""Redis behind Sentinels, which say where the primary is now.

The address: redis+sentinel://[user:password@]host:26379,other:26379/name[/db], the name being theirs for the primary.

`rediss+sentinel://` is the same over TLS. Sentinels with a password of their own: `?sentinel_password=…`, and
`sentinel_username`. https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from redis import Redis
from redis.sentinel import Sentinel

SCHEMES: Final = ("redis+sentinel", "rediss+sentinel")
PORT: Final = 26379  # https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/#sentinel-quick-start


class Sentinels(NamedTuple):
    """What such an address says. *redis* and *sentinel*: options of redis-py's connections to each."""

    hosts: tuple[tuple[str, int], ...]
    name: str  # of the primary, as the Sentinels call it
    redis: dict[str, Any]
    sentinel: dict[str, Any]

    @property
    def place(self) -> str:
        """Where that is, without passwords: mymaster at host:26379,other:26379."""
        return f"{self.name} at {','.join(f'{host}:{port}' for host, port in self.hosts)}"


def is_of_sentinels(url: str) -> bool:
    """Whether the address names Sentinels."""
    return url.split("://", maxsplit=1)[0] in SCHEMES


def read_sentinels(url: str) -> Sentinels:
    """What *url* says. Raises ValueError if it is not complete."""
    parts = urlsplit(url)
    name, _, number = parts.path.strip("/").partition("/")
    user, _, where = parts.netloc.rpartition("@")
    pairs = (each.partition(":") for each in where.split(","))
    hosts = tuple((host, int(port or PORT)) for host, _, port in pairs)
    if not name or not all(host for host, _ in hosts):
        raise ValueError("hosts and the name of the primary are needed")
    username, _, password = map(unquote, user.partition(":"))
    redis: dict[str, Any] = {"db": int(number or 0), "username": username or None, "password": password or None}
    sentinel: dict[str, Any] = {key.removeprefix("sentinel_"): value for key, value in parse_qsl(parts.query)}
    if parts.scheme == "rediss+sentinel":
        redis["ssl"] = sentinel["ssl"] = True
    return Sentinels(hosts, name, redis, sentinel)


def client_of(url: str, options: Mapping[str, Any]) -> Redis:
    """A client of redis-py whose connections go to the primary; *options* are those of every connection."""
    found = read_sentinels(url)
    sentinels = {**options, **found.sentinel}
    sentinel: Any = cast("Any", Sentinel)(found.hosts, sentinel_kwargs=sentinels, **{**options, **found.redis})
    client: Redis = sentinel.master_for(found.name)
    return client
