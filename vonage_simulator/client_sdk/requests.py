"""What a page requests, by the names of the SDK's methods: read, checked, and done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from vonage_simulator.carrier import Carrier
from vonage_simulator.client_sdk import tokens
from vonage_simulator.client_sdk.calls import Calls
from vonage_simulator.client_sdk.connection import Connection, Json
from vonage_simulator.client_sdk.errors import SdkError, invalid, refused, session_error
from vonage_simulator.client_sdk.media import Media
from vonage_simulator.client_sdk.sessions import Session
from vonage_simulator.refusals import NoSuchLeg, NotActive, TooFast
from vonage_simulator.voice_api.users import Users

LONGEST_TEXT = 1500  # characters to speak: https://developer.vonage.com/en/voice/voice-api/concepts/text-to-speech
MOST_DIGITS = 100


class Requests:
    """Those of one connection. `session` is the one that it has made, or come back to."""

    def __init__(self, carrier: Carrier, calls: Calls, media: Media, users: Users, connection: Connection) -> None:
        self._carrier, self._calls, self._media = carrier, calls, media
        self._users, self._connection = users, connection
        self.session: Session | None = None
        self._methods: dict[str, Callable[[Session, Json], Any]] = {
            "refreshSession": self._refresh,
            "deleteSession": self._delete,
            "getUser": self._get_user,
            "serverCall": self._server_call,
            "answer": self._answer,
            "reject": lambda session, given: self._calls.reject(session, _call(given)),
            "hangup": lambda session, given: self._calls.hang_up(session, _call(given)),
            "reconnectCall": self._reconnect,
            "mute": self._mute,
            "earmuff": self._earmuff,
            "sendDTMF": self._press,
            "say": self._say,
            "ping": lambda session, _: {"received": self._media.received(session)},
        }

    async def answer(self, request: Json) -> None:
        """Do what is requested, and send what came of it."""
        answer: Json = {"id": request["id"]}
        if request["do"] == "ping" and self.session and (delay := self._media.network(self.session.user).delay):
            await asyncio.sleep(delay)
        try:
            answer["ok"] = self._do(request["do"], request)
        except SdkError as error:
            answer["error"] = error.describe()
        except (NoSuchLeg, NotActive, TooFast) as error:
            answer["error"] = refused(error.__doc__ or "it cannot be done now").describe()
        self._connection.send(answer)

    def end_unless_logged_in(self) -> None:
        """A page that wants no session needs no connection."""
        if self.session is None:
            self._connection.cut()

    def sound(self, frame: bytes) -> None:
        """A frame of sound has come."""
        if self.session:
            self._media.take(self.session, frame)

    def _do(self, method: str, given: Json) -> Any:
        if method == "createSession":
            return self._create(given)
        if method not in self._methods:
            raise invalid(f"there is no request {method[:50]}")
        if self.session is None:
            raise session_error("NO_ACTIVE_SESSION", "there is no session: create one first")
        return self._methods[method](self.session, given)

    def _create(self, given: Json) -> str:
        if self.session is not None:
            raise session_error("ALREADY_ACTIVE_SESSION", "this page has a session already")
        grant = self._grant(given)
        id_, seen = given.get("session"), given.get("seen")
        if id_ is None:
            self.session = self._calls.sessions.create(grant, self._connection)
            self._calls.arrived(self.session)
        else:
            self.session = self._calls.sessions.resume(str(id_), grant, self._connection)
            if isinstance(seen, int):  # the same page, which has lost its connection
                self.session.repeat(seen)
            else:
                self._calls.arrived(self.session)
        return self.session.id

    def _refresh(self, session: Session, given: Json) -> None:
        self._calls.sessions.refresh(session, self._grant(given))

    def _delete(self, session: Session, _: Json) -> None:
        self._calls.leave(session)
        self.session = None

    def _get_user(self, session: Session, given: Json) -> Json:
        wanted = given.get("user")
        name = session.user if wanted == "me" else wanted
        user = self._users.named(name) if isinstance(name, str) else None
        if user is None:
            raise SdkError("CS_ERROR", "USER_NOT_FOUND", "there is no such user")
        return {"id": user["id"], "name": user["name"], "displayName": user.get("display_name")}

    def _answer(self, session: Session, given: Json) -> Json:
        self._calls.answer(session, _call(given))
        return self._begun(session, _call(given))

    def _reconnect(self, session: Session, given: Json) -> Json:
        self._calls.take_back(session, _call(given))
        return self._begun(session, _call(given))

    def _begun(self, session: Session, uuid: str) -> Json:
        """The call, and the number of its frames of sound."""
        return {"call": uuid, "sound": self._media.join(session, uuid)}

    def _server_call(self, session: Session, given: Json) -> Json:
        session.grant.check(tokens.SERVER_CALL)
        context = given.get("context") or {}
        if not isinstance(context, dict):
            raise invalid("the context of a call is an object")
        return self._begun(session, self._calls.call(session, context))

    def _mute(self, session: Session, given: Json) -> None:
        self._carrier.mute(self._own_call(session, given), bool(given.get("on")))

    def _earmuff(self, session: Session, given: Json) -> None:
        self._carrier.earmuff(self._own_call(session, given), bool(given.get("on")))

    def _press(self, session: Session, given: Json) -> None:
        uuid, digits = self._own_call(session, given), given.get("digits")
        if not isinstance(digits, str) or not re.fullmatch(r"[0-9*#p]+", digits) or len(digits) > MOST_DIGITS:
            raise invalid(f"digits are 1 to {MOST_DIGITS} of 0 to 9, *, # and p")
        if keys := digits.replace("p", ""):  # p is a pause
            self._carrier.people.press(uuid, keys)

    def _say(self, session: Session, given: Json) -> None:
        """Speak to everybody in the call: whether it is only some of them is not documented."""
        uuid, text = self._own_call(session, given), given.get("text")
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_TEXT:
            raise invalid(f"text is 1 to {LONGEST_TEXT} characters")
        for other in self._carrier.ledger.legs[uuid].conversation.present.values():
            if other.answered:
                self._carrier.talk(other.uuid, text)

    def _own_call(self, session: Session, given: Json) -> str:
        session.grant.check(tokens.CONTROL)
        uuid = _call(given)
        self._calls.check_has(session, uuid)
        return uuid

    def _grant(self, given: Json) -> tokens.Grant:
        def exists(name: str) -> bool:
            return self._users.named(name) is not None

        return tokens.read(given.get("token"), self._carrier.application, exists)


def _call(given: Json) -> str:
    """The id of the call that a request is about."""
    uuid = given.get("call")
    if not isinstance(uuid, str):
        raise invalid("the id of the call is missing")
    return uuid
