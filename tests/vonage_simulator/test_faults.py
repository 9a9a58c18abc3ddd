"""Each fault does what it says, the same way for the same seed, and the record is right."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
import pytest

from tests.vonage_simulator.receiver import APPLICATION, UNSIGNED, Receiver, careful, maybe_kept, receiving
from vonage_simulator.clock import Clock
from vonage_simulator.delivery.exchange import Reply
from vonage_simulator.delivery.fault_plan import LOSSLESS, LOSSY, FaultPlan
from vonage_simulator.delivery.sent import Sent
from vonage_simulator.delivery.webhook_sender import WebhookSender
from vonage_simulator.ledger import Application
from vonage_simulator.trace import Happening

Outcome = tuple[list[Sent], Receiver, list[Happening], Clock]


async def send_one(
    faults: str,
    count: int = 1,
    *,
    seed: int = 0,
    conversations: tuple[str, ...] = ("CON",),
    application: Application = APPLICATION,
    method: str = "POST",
    usual: Any = careful,
) -> Outcome:
    """The outcome of *count* events in each conversation, sent all at once."""
    troubles: list[Happening] = []
    clock = Clock(speed=None)
    async with (
        receiving(usual=usual) as receiver,
        WebhookSender(
            application, clock=clock, faults=FaultPlan.read(faults), seed=seed, watch=troubles.append
        ) as sender,
    ):
        for number in range(count):
            for conversation in conversations:
                body = {"conversation_uuid": conversation, "number": f"{number}", "status": "ringing"}
                sender.send(receiver.target(method), body, conversation=conversation, leg="leg")
        await sender.settle()
    return sender.sent, receiver, troubles, clock


def run(faults: str, count: int = 1, **options: Any) -> Outcome:
    return asyncio.run(send_one(faults, count, **options))


def numbers(receiver: Receiver) -> list[str]:
    return [body["number"] for body in receiver.bodies]


def outcomes(sent: Sent) -> list[tuple[str | None, int | None]]:
    return [(attempt.how, attempt.status) for attempt in sorted(sent.tries, key=lambda attempt: attempt.order)]


# Lossless


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_lossless_faults_end_acknowledged(seed: int, method: str) -> None:
    """All of them together, in every second webhook."""
    sents, receiver, troubles, _ = run("lossless=0.5", 30, seed=seed, conversations=("a", "b"), method=method)
    assert all(sent.acknowledged for sent in sents)
    assert {(body["conversation_uuid"], body["number"]) for body in receiver.bodies} == {
        (conversation, f"{number}") for conversation in ("a", "b") for number in range(30)
    }
    assert {how for sent in sents for how, _ in outcomes(sent)} == {None, "drop", "close", "unsigned", "duplicate"}
    assert troubles == []


@pytest.mark.parametrize("fault", LOSSLESS)
def test_each_lossless_fault_ends_acknowledged(fault: str) -> None:
    sents, _, _, _ = run(f"{fault}=1", 5)
    assert all(sent.acknowledged for sent in sents)


def test_reordered_webhooks_are_overtaken() -> None:
    """By later ones; the last one waits a while in vain."""
    sents, receiver, _, clock = run("reorder=0.4", 20)
    arrived = numbers(receiver)
    assert sorted(arrived, key=int) == [f"{number}" for number in range(20)] != arrived
    assert sum(later < earlier for earlier, later in zip(map(int, arrived), map(int, arrived[1:]), strict=False)) >= 3
    assert clock.seconds in {0.0, 5.0}
    assert all(outcomes(sent) == [(None, 200)] for sent in sents)


def test_duplicates_come_with_the_same_token_and_with_a_new_one() -> None:
    """After the first was acknowledged, so that the application has the event already."""
    sents, receiver, _, clock = run("duplicate=1", 20)
    assert len(receiver.received) == 40
    same = 0
    for sent in sents:
        assert outcomes(sent) == [(None, 200), ("duplicate", 200)]
        first, second = (request for request in receiver.received if request.data["number"] == sent.body["number"])
        assert first.body == second.body
        same += first.token == second.token
    assert 3 < same < 17
    assert 0 < clock.seconds <= 3


def test_delayed_webhooks_delay_the_next() -> None:
    _, receiver, _, clock = run("delay=0.5", 10)
    assert numbers(receiver) == [f"{number}" for number in range(10)]
    assert 1 < clock.seconds <= 8


def test_parallel_webhooks_do_not_wait() -> None:
    """The server receives several of one conversation at once."""
    _, receiver, _, _ = run("parallel=1", 10, usual=lambda _: 200)
    assert len(receiver.received) == 10
    assert receiver.connections > 1

    async def slow() -> Receiver:
        async with (
            receiving(*[0.2] * 5) as receiver,
            WebhookSender(APPLICATION, clock=Clock(speed=None), faults=FaultPlan.read("parallel=1")) as sender,
        ):
            for _ in range(5):
                sender.send(receiver.target(), {}, conversation="CON", leg="leg")
            await sender.settle()
            return receiver

    assert asyncio.run(slow()).most_at_once == 5


def test_dropped_webhooks_arrive_with_the_second_try() -> None:
    """The server sees a connection without a request."""
    sents, receiver, _, clock = run("drop=1", 2)
    assert [outcomes(sent) for sent in sents] == [[("drop", None), (None, 200)]] * 2
    assert not any(maybe_kept(sent) for sent in sents)
    assert numbers(receiver) == ["0", "1"]
    assert clock.seconds == 2.0


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_webhooks_with_a_closed_connection_arrive_twice(method: str) -> None:
    """Whole both times; the reply to the first is not read."""
    (sent,), receiver, _, _ = run("close=1", method=method)
    assert outcomes(sent) == [("close", None), (None, 200)]
    assert maybe_kept(sent)
    first, second = receiver.received
    assert (first.line, first.data, first.verdict) == (second.line, second.data, 200)
    assert first.headers.keys() == second.headers.keys()


def test_unsigned_webhooks_are_repeated_signed() -> None:
    (sent,), receiver, _, _ = run("unsigned=1")
    assert outcomes(sent) == [("unsigned", 503), (None, 200)]
    assert sent.refused == [503]
    assert [request.token is None for request in receiver.received] == [True, False]


def test_an_accepted_unsigned_webhook_is_acknowledged() -> None:
    """By an application that checks nothing."""
    (sent,), receiver, _, _ = run("unsigned=1", usual=200)
    assert outcomes(sent) == [("unsigned", 200)]
    assert sent.acknowledged
    assert len(receiver.received) == 1


# Lossy


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("fault", sorted(LOSSY.keys() - {"replay"}))
def test_lossy_webhooks_are_never_acknowledged(fault: str, method: str) -> None:
    """A careful server accepts none, none is in doubt, and none counts as trouble."""
    sents, _, troubles, _ = run(f"{fault}=1,reorder,delay,parallel,duplicate", 10, method=method)
    assert not any(sent.acknowledged or maybe_kept(sent) for sent in sents)
    assert troubles == []


def test_lost_webhooks_never_arrive() -> None:
    (sent,), receiver, _, _ = run("lose=1")
    assert outcomes(sent) == [("lose", None)] * 2
    assert sent.refused == receiver.received == []


def test_altered_webhooks_do_not_match_their_token() -> None:
    """The token is right, the body is not; a 2xx to that does not acknowledge the event."""
    (sent,), receiver, _, _ = run("tamper=1", usual=200)
    (attempt,) = sent.tries
    assert (attempt.how, attempt.intact, attempt.status) == ("tamper", False, 200)
    assert not sent.acknowledged
    assert receiver.bodies[0].keys() == sent.body.keys()
    assert receiver.bodies[0] != sent.body
    assert receiver.received[0].verdict == 401
    jwt.decode(receiver.received[0].token or "", APPLICATION.signature_secret, algorithms=["HS256"])


def test_forgotten_tokens_are_forgotten_twice() -> None:
    (sent,), receiver, _, _ = run("forget=1")
    assert outcomes(sent) == [("forget", 503)] * 2
    assert [request.token for request in receiver.received] == [None, None]


def test_wrong_secrets_are_refused_once() -> None:
    """A 401 is final."""
    (sent,), receiver, _, _ = run("secret=1")
    assert outcomes(sent) == [("secret", 401)]
    assert sent.refused == [401]
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(receiver.received[0].token or "", APPLICATION.signature_secret, algorithms=["HS256"])


def test_wrong_clocks_are_early_and_late() -> None:
    sents, receiver, _, _ = run("clock=1", 20)
    assert {status for sent in sents for _, status in outcomes(sent)} == {401}
    signed = [jwt.decode(got.token or "", options={"verify_signature": False})["iat"] for got in receiver.received]
    assert max(signed) - min(signed) > 600


def test_replays_have_an_old_token() -> None:
    """With a right body: a careful server refuses it, and nothing is changed by it."""
    sents, receiver, troubles, _ = run("replay=1", 10)
    assert all(sent.acknowledged for sent in sents)
    replays = [how for sent in sents for how in outcomes(sent) if how[0] == "replay"]
    assert replays == [("replay", 401)] * 9  # nothing came before the first
    assert len(receiver.received) == 19
    assert sents[-1].refused == []
    assert troubles == []


def test_without_signatures_there_are_no_signature_faults() -> None:
    """An application that checks no signatures would accept every false webhook."""
    sents, receiver, _, _ = run(
        "tamper=1,forget=1,secret=1,clock=1,replay=1,unsigned=1", 3, application=UNSIGNED, usual=200
    )
    assert [outcomes(sent) for sent in sents] == [[(None, 200)]] * 3
    assert numbers(receiver) == ["0", "1", "2"]


# Requests whose reply is read


@pytest.mark.parametrize("seed", range(8))
def test_requests_get_a_reply_with_any_faults(seed: int) -> None:
    """No lossy fault befalls a request whose reply is read: the call goes on."""

    async def ask() -> tuple[list[Reply], list[Sent]]:
        async with (
            receiving(usual=careful) as receiver,
            WebhookSender(APPLICATION, clock=Clock(speed=None), faults=FaultPlan.read("all=0.5"), seed=seed) as sender,
        ):
            target = receiver.target("GET")
            replies = [await sender.request(target, {}, kind="answer", conversation="CON", leg="leg") for _ in range(8)]
            await sender.settle()
            return replies, sender.sent

    replies, sents = asyncio.run(ask())
    assert {reply.status for reply in replies} == {200}
    assert all(sent.acknowledged for sent in sents)
    assert {how for sent in sents for how, _ in outcomes(sent)} <= {None, "drop", "close", "unsigned", "duplicate"}


# The same again


def test_a_seed_has_the_same_faults_each_time() -> None:
    """Ids differ between runs, and so does the server's speed."""

    def course(seed: int, *conversations: str) -> list[list[tuple[str | None, int | None]]]:
        sents, _, _, _ = run("all=0.3", 8, seed=seed, conversations=conversations)
        return [outcomes(sent) for sent in sents]

    first = course(7, "CON-a", "CON-b", "CON-c")
    assert course(7, "CON-x", "CON-y", "CON-z") == first
    assert course(8, "CON-a", "CON-b", "CON-c") != first
    these, other = first[0::3], first[1::3]
    assert these != other


def test_requests_in_between_do_not_shift_the_faults() -> None:
    """Whether a reply came before or after an event was sent may depend on the server's speed."""

    async def course(requested_at: int) -> list[list[tuple[str | None, int | None]]]:
        async with (
            receiving(usual=careful) as receiver,
            WebhookSender(APPLICATION, clock=Clock(speed=None), faults=FaultPlan.read("all=0.4")) as sender,
        ):
            for number in range(8):
                if number == requested_at:
                    await sender.request(receiver.target(), {}, kind="event", conversation="CON", leg="leg")
                sender.send(receiver.target(), {"number": f"{number}"}, conversation="CON", leg="leg")
            await sender.settle()
            return [outcomes(sent) for sent in sender.sent if sent.body]

    assert asyncio.run(course(2)) == asyncio.run(course(6))
