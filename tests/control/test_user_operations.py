"""A user's own transfers and conferences, by the sessions that they are made of."""

from __future__ import annotations

from typing import Any

from tests.api.site import VIEWER
from tests.control.test_session_verbs import ALICE, BOB, SECOND, THIRD, acts, call_of_alice, done, lasting_world, to
from tests.control.world import AGENT, World
from vonage_simulator.ledger import Leg

__all__ = ["lasting_world"]


def sessions_of(world: World, user: str) -> list[dict[str, Any]]:
    """The live sessions of a user."""
    found: list[dict[str, Any]] = done(world.ask("GET", f"/users/{user}/sessions"))["items"]
    return found


def conference_of_alice(world: World, **more: str) -> tuple[Leg, Leg, Leg, str]:
    """Alice's leg and those of two customers, whose calls with her become one; and the id of the conference."""
    first, alice, one = call_of_alice(world, AGENT, "one")
    done(acts(world, one, "hold"))
    world.until(lambda: world.control(first)["hold"] == "held")
    second, _, two = call_of_alice(world, SECOND, "two")
    made = world.ask("POST", "/users/Alice/conferences", {"host": one, "others": [two], **more}, token=ALICE)
    assert made.status_code == 201, made.text
    return alice, first, second, made.json["conference_id"]


def test_a_user_makes_two_sessions_one_conference_and_ends_it(world: World) -> None:
    alice, first, second, id_ = conference_of_alice(world)
    at = f"/users/Alice/conferences/{id_}"
    assert set(done(world.ask("GET", at, token=ALICE))["participants"]) == {first.uuid, second.uuid}
    world.until(lambda: alice.hears(first) and alice.hears(second) and first.hears(second))
    stolen = f"/users/Bob/conferences/{id_}"
    assert world.ask("DELETE", stolen, token=BOB).status_code == 404, "it is no conference of Bob's"
    assert world.ask("DELETE", at, token=BOB).status_code == 403
    assert not alice.over
    done(world.ask("DELETE", at, token=ALICE))
    for leg in (first, second, alice):
        world.known(leg, "completed")


def test_who_has_left_and_handed_it_over_ends_it_no_more(world: World) -> None:
    alice, first, second, id_ = conference_of_alice(world, host_leaves="hand_over")
    at = f"/users/Alice/conferences/{id_}"
    world.until(lambda: alice.hears(first) and first.hears(second))
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.until(lambda: world.ask("GET", f"/conferences/{id_}").json["host"] != alice.uuid)
    assert world.ask("DELETE", at, token=ALICE).status_code == 404
    removed = world.ask("DELETE", f"{at}/participants/{second.uuid}", token=ALICE)
    assert removed.status_code == 404
    assert done(world.ask("GET", at, token=ALICE))["finished"] is False
    assert first.hears(second)
    world.ask("DELETE", f"/conferences/{id_}")
    for leg in (first, second):
        world.known(leg, "completed")


def test_a_conference_goes_on_without_its_host_who_takes_somebody_else_off_hold(world: World) -> None:
    world.services.store.set_user("Alice", {"max_calls": 5})
    third, other, session = call_of_alice(world, THIRD, "three")
    done(acts(world, session, "hold"))
    world.until(lambda: world.control(third)["hold"] == "held")
    alice, first, second, id_ = conference_of_alice(world)
    world.until(lambda: alice.hears(first) and first.hears(second))
    done(acts(world, session, "unhold"))
    world.until(lambda: other.hears(third) and not alice.hears(first))
    assert first.hears(second), "the others go on"
    (held,) = [each for each in done(world.ask("GET", f"/conferences/{id_}"))["members"] if each["held"]]
    assert held["call_id"] == alice.uuid
    done(world.ask("DELETE", f"/users/Alice/conferences/{id_}", token=ALICE))


def test_a_user_consults_and_cancels(world: World) -> None:
    customer, alice, session = call_of_alice(world)
    begun = done(acts(world, session, "transfer", {"to": THIRD}))
    at = f"/users/Alice/transfers/{begun['id']}"
    world.until(lambda: done(world.ask("GET", at, token=ALICE))["status"] == "answered")
    assert world.ask("POST", f"/users/Bob/transfers/{begun['id']}/complete", {}, token=BOB).status_code == 404
    done(world.ask("DELETE", at, token=ALICE))
    world.until(lambda: customer.hears(alice))


def test_who_is_consulted_sees_who_consults_while_it_rings(world: World) -> None:
    _, _, session = call_of_alice(world)
    world.services.store.set_user("Alice", {"display_name": "Alice Liddell"})
    world.services.store.set_user("Slow", {"max_calls": 5})  # else unknown until the first webhook of the call
    begun = done(acts(world, session, "transfer", {"to": {"type": "app", "user": "Slow"}}))
    # Until the response to the call has said whose leg it is, it is a call of the application's number
    shown = world.until(lambda: [one for one in sessions_of(world, "Slow") if one["number"] == "Alice"])[0]
    assert (shown["ringing"], shown["isCaller"]) == (True, False)
    assert (shown["number"], shown["displayName"]) == ("Alice", "Alice Liddell")
    one = done(world.ask("GET", f"/users/Slow/sessions/{shown['id']}"))
    assert one["number"] == "Alice"
    done(world.ask("DELETE", f"/users/Alice/transfers/{begun['id']}", token=ALICE))


def test_who_was_put_through_has_one_session_and_it_is_no_consultation(world: World) -> None:
    """Bob was on hold while Alice consulted somebody, and came into the same room later than she."""
    alice, bob = (to(world, {"type": "app", "user": user}, world.room) for user in ("Alice", "Bob"))
    session = world.until(lambda: own_session(world, "Alice", alice, ALICE))
    begun = done(acts(world, session["id"], "transfer", {"to": {"type": "app", "user": "Carol"}}))
    at = f"/users/Alice/transfers/{begun['id']}"
    world.until(lambda: done(world.ask("GET", at, token=ALICE))["status"] == "answered")
    done(world.ask("POST", f"{at}/complete", {}, token=ALICE))
    world.known(alice, "completed")
    other = next(leg for leg in world.legs() if leg.to == "Carol" and not leg.over)
    world.until(lambda: bob.hears(other))
    found = world.until(lambda: talking_to(world, other))
    assert (found["leg"], found["status"]["isTransfer"], found["number"]) == (bob.uuid, False, "Carol")


def talking_to(world: World, other: Leg) -> Any:
    """Bob's one session, once he is known to talk to *other*."""
    items = done(world.ask("GET", "/users/Bob/sessions", token=BOB))["items"]
    assert len(items) == 1
    one = done(world.ask("GET", f"/users/Bob/sessions/{items[0]['id']}", token=BOB))
    return one if one["call"]["talkingToIds"] == [other.uuid] else None


def own_session(world: World, user: str, leg: Leg, token: str) -> Any:
    """The user's session with *leg* in the list, once it is answered."""
    items = done(world.ask("GET", f"/users/{user}/sessions", token=token))["items"]
    return next((each for each in items if each["leg"] == leg.uuid and each["answered"]), None)


def test_who_came_first_into_a_room_sees_the_other_also_in_one_session(world: World) -> None:
    alice, bob = (to(world, {"type": "app", "user": user}, world.room) for user in ("Alice", "Bob"))
    listed_one = world.until(lambda: own_session(world, "Alice", alice, ALICE))
    one = done(world.ask("GET", f"/users/Alice/sessions/{listed_one['id']}", token=ALICE))
    assert (one["answered"], one["call"]["talkingToIds"]) == (True, [bob.uuid])


def test_what_became_of_an_own_action_is_read_by_its_user_alone(world: World) -> None:
    _, _, session = call_of_alice(world)
    action = done(acts(world, session, "mute"))["id"]
    assert done(world.ask("GET", f"/users/Alice/actions/{action}", token=ALICE))["verb"] == "mute"
    assert world.ask("GET", f"/users/Bob/actions/{action}", token=BOB).status_code == 404


def test_a_consultation_takes_no_place(world: World) -> None:
    """It is a session of the user, of another call, and not counted."""
    _, _, session = call_of_alice(world)
    world.until(lambda: world.services.places.availability("Alice", session) == "free")

    def phone() -> Any:
        found = done(world.ask("GET", "/users/Alice/phone", token=ALICE))
        return {one["id"] for one in found["sessions"]}, found["isMaxCall"]

    before = phone()
    begun = done(acts(world, session, "transfer", {"to": THIRD}))
    at = f"/users/Alice/transfers/{begun['id']}"
    world.until(lambda: done(world.ask("GET", at, token=ALICE))["status"] == "answered")
    assert phone()[0] > before[0]
    assert phone()[1] is before[1] is False
    assert set(world.services.store.engaged("Alice")) == {session}
    done(world.ask("DELETE", at, token=ALICE))


def listed(world: World, what: str, user: str = "Alice", token: str = ALICE) -> Any:
    """The transfers or conferences of a user."""
    found = done(world.ask("GET", f"/users/{user}/{what}", token=token))
    assert found["next"] is None
    return found["items"]


def test_the_own_transfers_that_go_on_are_listed(world: World) -> None:
    """For a page that is loaded again."""
    _, _, session = call_of_alice(world)
    assert listed(world, "transfers") == []
    begun = done(acts(world, session, "transfer", {"to": THIRD}))
    at = f"/users/Alice/transfers/{begun['id']}"
    world.until(lambda: done(world.ask("GET", at, token=ALICE))["status"] == "answered")
    assert listed(world, "transfers") == [done(world.ask("GET", at, token=ALICE))]
    assert listed(world, "transfers", "Bob", BOB) == []
    assert world.ask("GET", "/users/Alice/transfers", token=BOB).status_code == 403
    (masked,) = listed(world, "transfers", token=VIEWER)
    assert THIRD not in str(masked), "a viewer sees no whole number"
    done(world.ask("DELETE", at, token=ALICE))
    world.until(lambda: listed(world, "transfers") == [])


def test_the_own_conferences_that_go_on_are_listed_with_who_is_in_them(world: World) -> None:
    alice, first, second, id_ = conference_of_alice(world)
    world.until(lambda: alice.hears(first) and first.hears(second))
    assert world.ask("PUT", f"/names/{SECOND}", {"name": "Ada"}).status_code == 200
    (shown,) = listed(world, "conferences")
    assert shown["conference_id"] == id_
    members = {member["call_id"]: (member["number"], member["name"]) for member in shown["members"]}
    assert members == {alice.uuid: ("Alice", None), first.uuid: (AGENT, None), second.uuid: (SECOND, "Ada")}
    (masked,) = listed(world, "conferences", token=VIEWER)
    assert SECOND not in str(masked)
    assert listed(world, "conferences", "Bob", BOB) == []
    assert world.ask("GET", "/users/Alice/conferences", token=BOB).status_code == 403
    done(world.ask("DELETE", f"/users/Alice/conferences/{id_}", token=ALICE))
    world.until(lambda: listed(world, "conferences") == [])


def test_who_has_handed_a_conference_over_does_not_have_it_in_the_list(world: World) -> None:
    alice, first, second, id_ = conference_of_alice(world, host_leaves="hand_over")
    world.until(lambda: alice.hears(first) and first.hears(second))
    world.do(lambda: world.carrier.people.hang_up(alice.uuid))
    world.until(lambda: world.ask("GET", f"/conferences/{id_}").json["host"] != alice.uuid)
    assert listed(world, "conferences") == []
    world.ask("DELETE", f"/conferences/{id_}")
    for leg in (first, second):
        world.known(leg, "completed")


def session_with(world: World, user: str, token: str, leg: Leg) -> str:
    """The id of the session in which *leg* is the user's, once that is answered."""

    def talks() -> str | None:
        found = world.ask("GET", f"/users/{user}/sessions", token=token).json["items"]
        return next((one["id"] for one in found if one["leg"] == leg.uuid and one["answered"]), None)

    return str(world.until(talks))


def guest_of_alice(world: World) -> tuple[Leg, Leg, Leg, str]:
    """Legs of Alice, the host of a conference, of Bob, a guest, and of a customer; and the id of Bob's session."""
    room = f"{world.room}-users"
    bob = to(world, {"type": "app", "user": "Bob"}, room)
    alice = to(world, {"type": "app", "user": "Alice"}, room)

    one = session_with(world, "Alice", ALICE, alice)
    done(acts(world, one, "hold"))
    world.until(lambda: world.control(bob)["hold"] == "held")
    customer, _, two = call_of_alice(world, SECOND, "two")
    made = world.ask("POST", "/users/Alice/conferences", {"host": one, "others": [two]}, token=ALICE)
    assert made.status_code == 201, made.text
    world.until(lambda: customer.hears(bob) and bob.hears(alice))
    return alice, bob, customer, session_with(world, "Bob", BOB, bob)


def test_a_guest_does_not_end_a_conference_for_all(world: World) -> None:
    alice, bob, customer, session = guest_of_alice(world)
    at = f"/users/Bob/sessions/{session}/terminate"
    refused = world.ask("POST", at, {}, token=BOB)
    assert (refused.status_code, refused.json["title"]) == (403, "Not allowed")
    assert not any(leg.over for leg in (alice, bob, customer))
    done(world.ask("POST", at, {"type": "hangup"}, token=BOB))
    world.known(bob, "completed")
    assert alice.hears(customer)
    assert not customer.over


def test_a_guest_who_turns_to_another_call_is_muted_and_not_on_the_hosts_hold(world: World) -> None:
    alice, bob, customer, _ = guest_of_alice(world)
    other = to(world, {"type": "phone", "number": THIRD}, f"{world.room}-other")
    again = to(world, {"type": "app", "user": "Bob"}, f"{world.room}-other")
    at = f"/users/Bob/sessions/{session_with(world, 'Bob', BOB, again)}"
    done(world.ask("POST", f"{at}/hold", {}, token=BOB))
    world.until(lambda: world.control(other)["hold"] == "held")
    done(world.ask("POST", f"{at}/unhold", {}, token=BOB))
    world.until(lambda: again.hears(other) and bob.muted)
    assert bob.hears(customer), "the host's hold would be music that the guest cannot end"
    assert alice.hears(customer)


def test_a_guest_talks_on_while_the_host_is_on_hold(world: World) -> None:
    alice, bob, customer, session = guest_of_alice(world)
    (shown,) = listed(world, "conferences")
    at = f"/users/Alice/conferences/{shown['conference_id']}"
    done(world.ask("POST", f"{at}/participants/{alice.uuid}/hold", {}, token=ALICE))
    world.until(lambda: not alice.hears(bob))
    assert bob.hears(customer)
    of_bob = done(world.ask("GET", f"/users/Bob/sessions/{session}", token=BOB))
    assert (of_bob["paused"], of_bob["conference"]) == (False, True)
    done(world.ask("DELETE", at, token=ALICE))
