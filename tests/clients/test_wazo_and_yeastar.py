"""Examples and names that users of Wazo's Phone and Yeastar's PhoneOperator know, with this client.

https://github.com/wazo-platform/wazo-js-sdk, https://github.com/Yeastar-PBX/ys-webrtc-sdk-core
"""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.clients.node import printing, run
from tests.control.conftest import world
from tests.control.test_session_verbs import ALICE, SECOND, THIRD, call_of_alice, lasting_world
from tests.control.world import AGENT, World

__all__ = ["lasting_world", "world"]
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")

NUMBERS = (AGENT, SECOND, THIRD)
# What a CallSession is in ON_CALL_ANSWERED; the names of the others, whose values the call gives, are below.
ANSWERED = dict.fromkeys(
    (
        *("answeredBySystem", "autoAnswer", "cameraEnabled", "conference", "ignored", "isCaller", "muted", "paused"),
        *("recording", "recordingPaused", "ringing", "screensharing", "videoMuted"),
    ),
    False,
) | {"answered": True, "endTime": None, "sipStatus": "Established", "type": "CallSession"}
ANSWERED |= {"videoRemotelyDowngraded": None}
OF_THE_CALL = (
    *("answerTime", "call", "callId", "callerNumber", "creationTime", "dialedExtension", "displayName", "number"),
    *("sipCallId", "startTime"),
)


@pytest.mark.parametrize("count", [2, 3])
def test_wazos_examples_of_answered_calls_and_conferences(
    world: World, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two calls the other one is found; with more, the ids of the participants are named."""
    monkeypatch.setattr("app.domain.step_log.CONFIRM_SECONDS", 1)  # for a move that no webhook confirms
    with printing("wazo.mjs", world.base, ALICE, str(count)) as (printed, go):

        def calls(number: str) -> tuple[Any, Any, str]:
            customer, alice, session = call_of_alice(world, number, f"room-{number}")
            shown, *dates = printed("answered")
            assert shown | ANSWERED == shown
            assert shown.keys() >= set(OF_THE_CALL)
            assert (shown["id"], shown["number"], shown["displayName"]) == (session, number, number)
            assert (shown["sipCallId"], shown["call"]["talkingToIds"]) == (alice.uuid, [customer.uuid])
            # Whoever was moved has answered, and `answered` with its time may come a moment after that webhook.
            assert dates == [shown["answerTime"] is not None, True]
            return customer, alice, session

        printed("connected")
        legs = [calls(number) for number in NUMBERS[:count]]
        go()
        (conference,) = printed("conference")
        assert conference | {"finished": False, "host": True} == conference
        if count == 2:
            printed("more")
            third, _, _ = calls(THIRD)
            go()
            assert printed("left") == [third.uuid]
            world.known(third, "completed")
        (over,) = printed("over")
        assert over == {"conferenceId": conference["conferenceId"], "finished": True, "participants": []}
        assert printed("deleted") == [True]
    for customer, _, _ in legs:
        world.known(customer, "completed")


ATTRIBUTES = {"currentSessionID", "reRegistryPhoneTimes", "deviceIds", "sessions", "currentSession", "isRegistered"}
ATTRIBUTES |= {"recordPermissions", "incomingList", "isMaxCall"}
METHODS = {"on", "start", "reRegister", "call", "reject", "answer", "hangup", "blindTransfer", "attendedTransfer"}
METHODS |= {"hold", "unhold", "dtmf", "mute", "unmute", "startRecord", "pauseRecord", "terminate", "disconnect"}
METHODS |= {"getSession", "setCurrentSession", "getCurrentSession", "setSessionStaticStatus", "destroy"}


def test_every_attribute_and_method_of_a_phone_operator_is_there() -> None:
    """What each does is in test_javascript.py."""
    (found,) = run("names.mjs")
    assert set(found["attributes"]) >= ATTRIBUTES
    assert set(found["methods"]) >= METHODS
