"""Which keys there are, where in a cluster they lie, and that no name makes one conversation touch another."""

from __future__ import annotations

from binascii import crc_hqx
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.cluster import key_slot

from app.store import keys
from app.store.errors import WrongLayout
from app.store.pages import Filter
from app.store.store import Store
from app.webhooks.fields import LONGEST_ID
from tests.domain.builders import status, transfer
from tests.engines import Engine, in_turn
from tests.generated import BASE, Webhook, webhooks_of
from tests.store.expected import Expected, assert_as_expected
from tests.store.posting import post, settle

VICTIM = "CON-victim"
HOSTILE = [
    "{",
    "}",
    "{}",
    "{{aa}}",
    "}{aa}",
    f"{keys.TAGS[0].decode()}e:{VICTIM}",
    f"{keys.of(VICTIM).tag.decode()}m:{VICTIM}",
    f"e:{VICTIM}",
    f"m:{VICTIM}",
    f"{VICTIM} too",
    f"{VICTIM}\x00",
    f"{VICTIM}\nlive",
    f"{len(VICTIM)}:{VICTIM}",
    "live",
    "counts",
    "0",
    "-1",
    "+inf",
    "nil",
    "a:b:c",
    "*",
    "CON-*",
    "CON-?ictim",
    "[CON]-victim",
    "\x00",
    "a\x00b",
    "\x01\x02",
    "\ud800",
    "\udfff\ud800",
    "línea ☎ 電話",
    "\N{TELEPHONE RECEIVER}",
    '"\\/\\u0000',
    "%s%d%n",
    "conversation_uuid",
    "x",
    "x" * (LONGEST_ID - 50),
]


def test_the_slots_of_the_tags_lie_in_sixteen_equal_ranges() -> None:
    slots = [keys.slot(tag) for tag in keys.TAGS]
    assert [slot * 16 // 16384 for slot in slots] == list(range(16))
    for primaries in (1, 2, 4, 8, 16):
        assert Counter(slot * primaries // 16384 for slot in slots) == dict.fromkeys(range(primaries), 16 // primaries)


def test_a_slot_is_what_the_cluster_says_it_is() -> None:
    for tag in keys.TAGS:
        assert keys.slot(tag) == key_slot(tag) == key_slot(tag + b"e:{x}") == crc_hqx(tag[1:-1], 0) % 16384


def test_which_partition_holds_a_conversation_is_settled_for_ever() -> None:
    assert keys.PARTITIONS == 16
    names = ("CON-1", "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6", "\ud800", "")
    assert [keys.partition(name) for name in names] == [12, 2, 6, 0]
    assert b"".join(keys.TAGS) == b"{bd}{aa}{db}{fd}{ba}{ad}{dc}{fa}{bb}{ac}{dd}{fb}{bc}{ab}{da}{fc}"


@given(st.text(st.characters(), min_size=1))
def test_all_keys_of_a_conversation_lie_in_the_slot_of_its_partition(name: str) -> None:
    part = keys.of(name)
    raw = keys.encode(name)
    assert keys.decode(raw) == name
    for key in (part.events(raw), part.meta(raw), part.number("447700900123"), part.bucket(28_000_000)):
        assert key_slot(key) == keys.slot(part.tag)


@given(st.lists(st.text(st.characters(exclude_categories=())), min_size=2, max_size=2, unique=True))
def test_two_conversations_share_no_key(names: list[str]) -> None:
    one, other = ({keys.of(name).events(keys.encode(name)), keys.of(name).meta(keys.encode(name))} for name in names)
    assert not one & other


def life_of(name: str, goes_to: str) -> list[Webhook]:
    """A leg with as odd a name, from its start to another conversation and its end there."""
    leg = f"leg {name}"
    bodies = [
        status("started", 1, uuid=leg, where=name, from_="447700900123", to="442079460000"),
        status("answered", 2, uuid=leg, where=name),
        transfer(name, goes_to, 3, uuid=leg),
        status("ringing", 1.5, uuid=leg, where=name),
        status("completed", 9, uuid=leg, where=goes_to if len(name) % 2 else name, duration="6"),
        status("ringing", 1, uuid=f"2 {leg}", where=name),
    ]
    return [webhook for body in bodies for webhook in webhooks_of(body, BASE)]


def test_hostile_names_are_names_like_any_other(store: Store, engine: Engine) -> None:
    lives = [life_of(name, HOSTILE[index - 1]) for index, name in enumerate(HOSTILE)]
    for life in lives:
        assert [post(store, webhook) for webhook in life] == [True] * len(life)
    everything = [webhook for life in lives for webhook in life]
    assert_as_expected(store, engine, Expected([everything]), posted=len(everything))
    found = [name for state in ("live", "ended") for name in store.page(Filter(state), None, 200).conversations]
    assert sorted(found, key=keys.encode) == sorted(HOSTILE, key=keys.encode)
    assert store.delete_all(HOSTILE) == len(HOSTILE)
    settle(store)
    left = {key.partition(b"}")[2].partition(b":")[0] for key in engine.keys() - {keys.LAYOUT}}
    assert left == {b"counts", b"feed", b"hours", b"minutes", b"probe"}


@pytest.mark.parametrize(("engine", "name"), in_turn(HOSTILE), indirect=["engine"], ids=lambda value: ascii(value)[:30])
def test_a_hostile_name_touches_nothing_of_another_conversation(store: Store, engine: Engine, name: str) -> None:
    for webhook in life_of(VICTIM, "CON-other"):
        post(store, webhook)
    own = {keys.encode(member) for member in (VICTIM, "CON-other")}
    before = {key: contents(engine, key) for key in sorted(engine.keys()) if key.split(b":", 1)[-1] in own}
    assert len(before) == 4
    known = engine.keys()
    for webhook in life_of(name, f"{name}'s other"):
        post(store, webhook)
    allowed = {keys.of(each).tag for each in (name, f"{name}'s other", f"leg {name}", f"2 leg {name}")}
    assert {key[:4] for key in engine.keys() - known} <= allowed
    assert store.delete(name)
    assert store.delete(f"{name}'s other")
    assert not store.delete(name)
    assert {key: contents(engine, key) for key in before} == before
    for member in own:
        part = keys.of(keys.decode(member))
        assert engine.ask(part, "ZSCORE", part.live, member) or engine.ask(part, "ZSCORE", part.ended, member)
    assert set(store.histories([VICTIM, "CON-other"]).conversations) == {VICTIM, "CON-other"}


def contents(engine: Engine, key: bytes) -> object:
    """What lies under *key*, read as what it is."""
    part = next(part for part in keys.ALL if key.startswith(part.tag))
    kind = engine.ask(part, "TYPE", key)
    return engine.ask(part, *(("LRANGE", key, 0, -1) if kind == b"list" else ("HGETALL", key)))


def test_a_store_of_another_layout_is_refused(store: Store, engine: Engine) -> None:
    store.start()
    (holder,) = (node for node in engine.nodes if keys.LAYOUT in set(node.client.scan_iter()))
    holder.client.set(keys.LAYOUT, 8)
    try:
        with pytest.raises(WrongLayout, match="8 partitions"):
            store.start()
    finally:
        engine.flush()  # no other test of this process must find it
