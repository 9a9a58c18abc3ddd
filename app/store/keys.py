"""Every key in Redis, and which of 16 partitions holds which conversation.

All keys of a conversation, and the indexes it appears in, carry its partition's hash tag: one script touches one slot.
https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
"""

from __future__ import annotations

from binascii import crc_hqx
from hashlib import sha256
from itertools import product
from string import ascii_lowercase
from typing import Final

PARTITIONS: Final = 16
SLOTS: Final = 16384
MINUTES_A_BUCKET: Final = 10
MINUTES_KEPT: Final = 6 * 3_600_000  # ms; statistics by minute
HOURS_KEPT: Final = 8 * 24 * 3_600_000  # ms; statistics by hour, and the figures of calls: a week, in any time zone
NUMBERS_AN_HOUR: Final = (
    64  # fields of the figures by telephone number, about, in a partition: more are counted together
)
COUNTED_LENGTH: Final = 256  # webhooks in a partition of which it is known that they were counted
FEED_LENGTH: Final = 1000  # entries in a partition's feed, about
# Events kept with a conversation. After that, up to twice as many, only our actions and what changes the state or the
# place of a leg.
EVENTS_OF_A_CONVERSATION: Final = 10_000
# Of its records those that are larger than this have so many bytes together; nearly all are smaller (`codec.py`). After
# that, up to twice as many, as above.
LARGE_RECORD: Final = 512
LARGE_RECORDS: Final = 4_000_000
CONVERSATIONS_OF_A_LEG: Final = 1000  # the latest that its entry names

LAYOUT: Final = b"switchhook:partitions"  # string: how many partitions the stored calls are spread over
NAMES: Final = b"switchhook:names"  # hash: telephone number -> name
SIGNALS: Final = b"switchhook:signals"  # stream: what pages say to each other, for some seconds (`signals.py`)
LOOK_UPS: Final = b"switchhook:look-ups"  # string: which worker asks Vonage what became of silent calls
ONCE: Final = b"switchhook:once:"  # begins the keys of replies to requests with an Idempotency-Key
USERS: Final = b"switchhook:users"  # sorted set, all scores 0: users that have settings, in the order of their names


def session(name: str) -> bytes:
    """String: what the session was opened with. Its name is not kept, so that a dump of Redis opens no session."""
    return b"switchhook:session:" + sha256(encode(name)).hexdigest().encode()


def replies(principal: str) -> bytes:
    """Stream: the keys of the latest replies to requests of *principal* with an Idempotency-Key."""
    return b"switchhook:replies:" + sha256(encode(principal)).hexdigest().encode()


def idempotency(principal: str, key: str) -> bytes:
    """String: the reply to the request that *principal* sent with the Idempotency-Key *key*."""
    return ONCE + sha256(encode(f"{principal}\n{key}")).hexdigest().encode()


def rate(name: str) -> bytes:
    """List: when the latest requests of a kind were, or may be, sent to Vonage (ms by Redis's clock)."""
    return b"switchhook:rate:" + name.encode()


def guesses(who: str, minute: int) -> bytes:
    """String: how many tokens *who* tried at the login in *minute* (since 1970)."""
    return f"switchhook:guesses:{who}:{minute}".encode()


def encode(text: str) -> bytes:
    """An id as bytes. Ids are opaque: half a surrogate pair is allowed in them."""
    return text.encode(errors="surrogatepass")


def decode(raw: bytes) -> str:
    """The id that `encode` made *raw* of."""
    return raw.decode(errors="surrogatepass")


def partition(name: str) -> int:
    """The number of the partition of a conversation, or of a leg."""
    return crc_hqx(encode(name), 0) % PARTITIONS


def slot(tag: bytes) -> int:
    """The cluster slot of every key that starts with *tag*: CRC16 of what is between the braces."""
    return crc_hqx(tag[1:-1], 0) % SLOTS


def _find_tags() -> tuple[bytes, ...]:
    """One tag for each partition, each in another sixteenth of the slots.

    Plain numbers would not spread: with {p00} to {p15} and eight primaries, four would hold nothing.
    """
    found: dict[int, bytes] = {}
    for letters in product(ascii_lowercase, repeat=2):
        tag = b"{" + "".join(letters).encode() + b"}"
        found.setdefault(slot(tag) * PARTITIONS // SLOTS, tag)
    return tuple(found[number] for number in range(PARTITIONS))


TAGS: Final = _find_tags()


class Partition:
    """The keys of one partition."""

    def __init__(self, number: int) -> None:
        self.tag = tag = TAGS[number]
        self.live = tag + b"live"  # sorted set: live conversation by first receipt (ms)
        self.ended = tag + b"ended"  # sorted set: ended conversation by first receipt (ms)
        self.last_received = tag + b"heard"  # sorted set: live conversation by last receipt (ms)
        self.counts = tag + b"counts"  # hash: legs by state, webhooks by outcome
        self.counted = tag + b"counted"  # sorted set: webhooks that were counted and may come again (`lua/common.lua`)
        self.feed = tag + b"feed"  # stream: what changed (`feed.py`)
        self.legs = tag + b"legs"  # hash: leg of this partition -> its entry (`lua/leg.lua`)
        self.unsettled = tag + b"unsettled"  # set: legs whose news may not have reached all that it concerns
        self.touched = tag + b"touched"  # sorted set: conversations whose calls have still to be counted (`figures.py`)
        self.minutes = tag + b"minutes:"  # + bucket -> hash: statistics by minute (`statistics.py`)
        self.hours = tag + b"hours:"  # + hour -> hash: statistics by hour
        self.calls = tag + b"calls:"  # + hour -> hash: figures of the calls that began in it (`figures.py`)
        self.numbers = tag + b"numbers:"  # + hour -> hash: the same by telephone number
        self.probe = tag + b"probe"  # string: written to find out whether writing works
        self.lease = tag + b"tidying"  # string: who tidies the partition
        self.counting = tag + b"counting"  # string: who counts its calls
        self.unfiled = tag + b"unfiled"  # stream: webhooks that belong to no conversation (partition 0 only)
        self.unfiled_seen = tag + b"unfiled-seen"  # sorted set: digests of their bodies, in order of receipt (the same)
        self.audit = tag + b"audit"  # stream: who was shown whole numbers (`audit.py`; partition 0 only)
        self.closed = tag + b"closed"  # stream: the latest operations that have ended (`lua/release.lua`)
        self.due = tag + b"due"  # sorted set: operation -> when somebody has to look at it (ms, by Redis's clock)
        self.revealed = tag + b"revealed"  # sorted set: what was noted there in the last minutes (the same)
        self.indexes = (self.live, self.ended, self.last_received, self.counts, self.unsettled, self.feed, self.touched)

    def events(self, conversation: bytes) -> bytes:
        """List of records (`codec.py`), in the order in which they were kept."""
        return self.tag + b"e:" + conversation

    def meta(self, conversation: bytes) -> bytes:
        """Hash: what the scripts need to know of a conversation (`lua/common.lua`)."""
        return self.tag + b"m:" + conversation

    def tallied(self, process: bytes) -> bytes:
        """List: the numbers of the latest batches of counts of a *process* (`tallies.py`; partition 0 only)."""
        return self.tag + b"tallied:" + process

    def number(self, digits: str) -> bytes:
        """Sorted set: conversations with a number that ends in the same four digits, by first receipt (ms)."""
        return self.tag + b"n:" + digits[-4:].encode()

    def mark(self, mark: str) -> bytes:
        """Sorted set: conversations that can be found by *mark* (`app/domain/marks.py`), by first receipt (ms)."""
        return self.tag + b"f:" + encode(mark)

    def operation(self, name: bytes) -> bytes:
        """List: the log of an operation (`operations.py`)."""
        return self.tag + b"o:" + name

    def claim(self, name: bytes) -> bytes:
        """String: which worker goes on with an operation."""
        return self.tag + b"w:" + name

    def control(self, leg: bytes) -> bytes:
        """Hash: the number of the latest action on a leg or conversation, and the move that is not confirmed."""
        return self.tag + b"a:" + leg

    def switching(self, leg: bytes) -> bytes:
        """String: the operation that moves, mutes or earmuffs a leg just now."""
        return self.tag + b"s:" + leg

    def user(self, name: str) -> bytes:
        """Hash: the settings of the user *name* (`users.py`)."""
        return self.tag + b"u:" + encode(name)

    def registration(self, name: str) -> bytes:
        """String: whether the page of the user *name* is connected to Vonage."""
        return self.tag + b"ur:" + encode(name)

    def chosen(self, name: str) -> bytes:
        """String: the session that the user *name* chose as the current one."""
        return self.tag + b"uc:" + encode(name)

    def places(self, name: str) -> bytes:
        """Sorted set: calls that the user *name* takes part in, or is to (`lua/engage.lua`)."""
        return self.tag + b"up:" + encode(name)

    def voicemails(self, name: str, *, heard: bool) -> bytes:
        """Sorted set: the voicemails here of the user *name*, by receipt (ms) (`voicemails.py`)."""
        return self.tag + (b"vh:" if heard else b"vn:") + encode(name)

    def calling(self, name: str) -> bytes:
        """String: the user *name* began a call within the last second."""
        return self.tag + b"ud:" + encode(name)

    def signalling(self, name: str, period: int) -> bytes:
        """Number: signals that the user *name* sent in a period of some seconds (`signals.py`)."""
        return self.tag + b"ug:%d:" % period + encode(name)

    def remarks(self, name: str, session: str) -> bytes:
        """Hash: what the user *name* says of *session*. The length keeps "ab" and "c" apart from "a" and "bc"."""
        return self.tag + b"us:" + f"{len(name)}:".encode() + encode(name + session)

    def user_events(self, name: str) -> bytes:
        """Stream: what happened to the sessions of the user *name* (`user_events.py`)."""
        return self.tag + b"ue:" + encode(name)

    def times_published(self, name: str) -> bytes:
        """Number: how often something was published to the user *name*."""
        return self.tag + b"ut:" + encode(name)

    def published(self, name: str, session: str) -> bytes:
        """String: what the user *name* was sent of *session*. The length is there as in `remarks`."""
        return self.tag + b"uk:" + f"{len(name)}:".encode() + encode(name + session)

    def bucket(self, minute: int) -> bytes:
        """The hash that holds the statistics of *minute* (minutes since 1970)."""
        return self.minutes + str(minute // MINUTES_A_BUCKET).encode()

    def hour(self, hour: int) -> bytes:
        """The hash that holds the statistics of *hour* (hours since 1970)."""
        return self.hours + str(hour).encode()

    def calls_of(self, hour: int) -> bytes:
        """The hash that holds the figures of the calls of *hour* (hours since 1970)."""
        return self.calls + str(hour).encode()

    def figures_of(self, hour: int) -> tuple[bytes, bytes]:
        """This hash, and the one that holds the same by telephone number."""
        return self.calls_of(hour), self.numbers + str(hour).encode()


ALL: Final = tuple(Partition(number) for number in range(PARTITIONS))


def of(name: str) -> Partition:
    """The partition that holds the conversation *name*, the entry of the leg *name*, or what a user *name* has."""
    return ALL[partition(name)]
