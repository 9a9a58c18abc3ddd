"""Sessions as the JSON of the API, with the names of Wazo's CallSession and, in `status` and `timer`, of Yeastar.

https://github.com/wazo-platform/wazo-js-sdk (`CallSession`, `Call`), https://github.com/Yeastar-PBX/ys-webrtc-sdk-core
(`Session`, `CallStatus`). What Vonage has not, as video, has the value that says so.
"""
# ruff: noqa: N815 - the names are theirs

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple, get_args

from marshmallow import fields, validate

from app.calls.fields import ExactNumber, ObjectSchema, Timestamp, nullable
from app.calls.names import NOBODY, Known
from app.domain.numbers import masked
from app.domain.sessions import AnsweredBy, Media, Phase, RecordingState, Session, SipStatus

CONFERENCE: Final = "Conference"
YEASTAR_RECORDING: Final = {"inactive": "stop", "active": "recording", "paused": "pause"}
WAZO_STATUS: Final = {"ringing": "Ringing", "calling": "Ring", "connecting": "Up", "talking": "Up", None: "Down"}


class Parent(NamedTuple):
    """The session that a consultation is for, as it is now; no more than its id if it is not kept any more."""

    call_id: str
    name: str | None = None
    avatar: str | None = None
    number: str | None = None
    call_seconds: float | None = None
    hold_seconds: float | None = None


class Shown(NamedTuple):
    """A session, and the names of those who take part in it."""

    session: Session
    name: str | None  # of the other party
    caller_name: str | None
    callee_name: str | None
    transfer_parent: Parent | None

    @property
    def display_name(self) -> str | None:
        return self.name or self.session.number

    @property
    def sip_call_id(self) -> str | None:
        return self.session.leg

    @property
    def started(self) -> datetime:
        return self.session.created

    @property
    def dialled(self) -> str:
        return self.session.to or ""

    @property
    def state(self) -> str:
        return "live" if self.session.live else "ended"

    @property
    def wazo_status(self) -> str:
        return WAZO_STATUS[self.session.phase]

    @property
    def recording(self) -> bool:
        return self.session.controls.recording == "active"

    @property
    def recording_paused(self) -> bool:
        return self.session.controls.recording == "paused"

    @property
    def yeastar_recording(self) -> str:
        return YEASTAR_RECORDING[self.session.controls.recording]

    @property
    def communication_type(self) -> str:
        return "outbound" if self.session.is_caller else "inbound"

    @property
    def is_transfer(self) -> bool:
        return self.session.controls.parent is not None

    @property
    def rang(self) -> float | None:
        return 0 if self.session.is_caller else self.session.ring_seconds

    @property
    def called(self) -> float | None:
        return self.session.ring_seconds if self.session.is_caller else 0


def flag(attribute: str, description: str) -> fields.Field[Any]:
    """A boolean that is always known."""
    return fields.Boolean(required=True, attribute=attribute, metadata={"description": description})


def word(attribute: str, description: str, *words: str) -> fields.Field[Any]:
    """A text that is always known; one of *words*, if there are any."""
    check = validate.OneOf(words) if words else None
    return fields.String(required=True, attribute=attribute, validate=check, metadata={"description": description})


def text(attribute: str, description: str, example: str | None = None) -> fields.Field[Any]:
    """A text, null if not known."""
    more = {"example": example} if example else {}
    return nullable(fields.String, attribute, description=description, **more)


def seconds(attribute: str, description: str, example: float) -> fields.Field[Any]:
    """Null if an end is not known."""
    return nullable(ExactNumber, attribute, description=description, example=example)


def never(description: str) -> fields.Field[Any]:
    """What Vonage has not."""
    return fields.Constant(False, required=True, metadata={"description": description, "type": "boolean"})


def nothing(description: str) -> fields.Field[Any]:
    """The same, where that is null."""
    return fields.Constant(None, required=True, allow_none=True, metadata={"description": description})


class ShownSchema(ObjectSchema):
    """Dumps a session: `attribute` is a path, and the parts of the session are other views of it."""

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:  # noqa: ARG002
        return obj if attr in ("call", "page", "status", "timer") else attrgetter(attr)(obj)


class WazoCallSchema(ShownSchema):
    """The call as Wazo's server has it (`callSession.call`)."""

    id = word("session.call.id", "the call's")
    sipCallId = text("session.leg", "uuid of the user's own leg")
    callerName = text("caller_name", "name of who calls")
    callerNumber = text("session.from_", "number, or user, who calls")
    calleeName = text("callee_name", "name of who is called")
    calleeNumber = text("session.to", "number, or user, who is called")
    dialedExtension = word("dialled", "what the caller dialled; empty if that is not known")
    lineId = nothing("users have no lines")
    isCaller = flag("session.is_caller", "the user calls")
    isVideo = never("there is no video")
    onHold = flag("session.controls.paused", "the user has put it on hold")
    muted = flag("session.controls.muted", "the user's microphone is off")
    status = word("wazo_status", "of the user's part", *dict.fromkeys(WAZO_STATUS.values()))
    startingTime = Timestamp("when the user's part began", "session.created")
    answerTime = Timestamp("when both sides had answered", "session.answered_at")
    hangupTime = Timestamp("when the user's part ended", "session.ended")
    talkingToIds = fields.List(
        fields.String(),
        required=True,
        attribute="session.talking_to",
        metadata={"description": "uuids of the legs that hear the user's"},
    )
    recording = flag("recording", "it is being recorded")
    recordingPaused = flag("recording_paused", "recording is paused")
    recordingState = word("session.controls.recording", "the same in one word", *get_args(RecordingState))


class TransferParentSchema(ObjectSchema):
    """The session that a consultation is for, as it is now; all but its id is null if it is not kept any more."""

    callId = word("call_id", "the call's id")
    name = text("name", "of the other party")
    avatar = text("avatar", "address of a picture")
    number = text("number", "of the other party: a number or a user")
    callDuration = seconds("call_seconds", "both sides were there", 4.549)
    holdDuration = seconds("hold_seconds", "it was on hold", 0)


class YeastarStatusSchema(ShownSchema):
    """The session as Yeastar has it (`session.status`)."""

    callId = word("session.call.id", "the call's id")
    name = text("name", "of the other party")
    avatar = text("session.remarks.avatar", "address of a picture")
    company = text("session.remarks.company", "of the other party")
    number = text("session.number", "of the other party: a number or a user")
    communicationType = word("communication_type", "who calls", "outbound", "inbound")
    isVideo = never("there is no video")
    isRing = flag("session.incoming", "it rings at the user")
    isHold = flag("session.controls.paused", "the user has put it on hold")
    isMute = flag("session.controls.muted", "the user's microphone is off")
    callStatus = text("session.phase", f"{', '.join(get_args(Phase))}; null once it has ended")
    callStartTime = Timestamp("when the user's part began", "session.created")
    recordStatus = word("yeastar_recording", "of the recording", *YEASTAR_RECORDING.values())
    isTransfer = flag("is_transfer", "it is the consultation of an attended transfer")
    transferParent = fields.Nested(
        TransferParentSchema,
        required=True,
        allow_none=True,
        attribute="transfer_parent",
        metadata={"description": "which session the consultation is for"},
    )
    isConference = flag("session.controls.conference", "it is in an ad hoc conference")


class YeastarTimerSchema(ShownSchema):
    """How long, in seconds, up to the response while it goes on; null if an end is not known."""

    ringDuration = seconds("rang", "it rang at the user", 7.443)
    callingDuration = seconds("called", "it rang at whom the user calls", 0)
    callDuration = seconds("session.call_seconds", "both sides were there", 4.549)
    holdDuration = seconds("session.hold_seconds", "it was on hold", 0)


class ReportSchema(ShownSchema):
    """What the user's page reports of its side, as long as the call is kept."""

    sdkCallId = text("session.remarks.sdk_call_id", "by which Vonage's Client SDK knows the call")
    isLeg = nullable(
        fields.Boolean, "session.sdk_agrees", description="that is the user's own leg; null while either is not known"
    )
    media = text("session.remarks.media", f"its sound: {', '.join(get_args(Media))} (the microphone)")
    mos = nullable(ExactNumber, "session.remarks.mos", description="how good its sound is, 1 to 5")


class SessionSchema(ShownSchema):
    """A call as one user takes part in it."""

    type = fields.Constant("CallSession", required=True, metadata={"type": "string"})
    id = word("session.id", "the call's; fixed from the first ringing to the end")
    user = word("session.user", "whose session it is")
    state = word("state", "whether the user's part goes on", "live", "ended")
    leg = text("session.leg", "uuid of the user's own leg; null while Vonage has reported none")
    answered = flag("session.answered", "both sides have answered")
    answeredBySystem = flag("session.answered_by_system", "only a call flow, or a machine, is at the other end")
    answeredBy = text("session.answered_by", f"what answered: {', '.join(get_args(AnsweredBy))}", "app")
    answerTime = Timestamp("when both sides had answered", "session.answered_at")
    autoAnswer = flag("session.auto_answer", "the page is to answer by itself")
    call = fields.Nested(WazoCallSchema, required=True)
    callId = word("session.call.id", "the call's id")
    callerNumber = text("session.from_", "number, or user, who calls")
    cameraEnabled = never("there is no video")
    cause = text("session.cause", "how it ended: completed, or how it failed; null while it goes on", "completed")
    causeDetail = text("session.detail", "the same in Vonage's words, if it has any")
    conference = flag("session.controls.conference", "it is in an ad hoc conference")
    creationTime = Timestamp("when the user's part began: they called, or were called", "session.created")
    dialedExtension = word("dialled", "what the caller dialled; empty if that is not known")
    displayName = text("display_name", "of the other party; the number if there is none")
    endTime = Timestamp("when the user's part ended", "session.ended")
    ignored = flag("session.remarks.ignored", "the user lets it ring in silence")
    isCaller = flag("session.is_caller", "the user calls")
    muted = flag("session.controls.muted", "the user's microphone is off")
    number = text("session.number", "of the other party: a number or a user")
    page = fields.Nested(ReportSchema, required=True)
    pair = flag("session.pair", "a `connect` joined the two: hold is weak, no consultation, no conference")
    paused = flag("session.controls.paused", "the user has put it on hold")
    recording = flag("recording", "it is being recorded")
    recordingPaused = flag("recording_paused", "recording is paused")
    recordingState = word("session.controls.recording", "the same in one word", *get_args(RecordingState))
    ringing = flag("session.ringing", "it rings at the user, or at whom the user calls")
    screensharing = flag("session.screensharing", "the page shares the screen, it says")
    sipCallId = text("sip_call_id", "uuid of the user's own leg, as Vonage gives no SIP Call-ID")
    sipStatus = word("session.sip_status", "of the user's own leg", *get_args(SipStatus))
    startTime = Timestamp("the same as creationTime", "started")
    videoMuted = never("there is no video")
    videoRemotelyDowngraded = nothing("there is no video")
    status = fields.Nested(YeastarStatusSchema, required=True)
    timer = fields.Nested(YeastarTimerSchema, required=True)


SESSION: Final = SessionSchema()


def name_in(session: Session, names: Known) -> str | None:
    """What the other party of *session* is called."""
    known = None if session.remarks.manual else names.of(session.number) or session.other_name
    return known or session.remarks.name


def _parent_of(session: Session, names: Known) -> Parent | None:
    id_, parent = session.controls.parent, session.parent
    if id_ is None or parent is None:
        return Parent(id_) if id_ else None
    name, avatar = name_in(parent, names), parent.remarks.avatar
    return Parent(id_, name, avatar, parent.number, parent.call_seconds, parent.hold_seconds)


def dump(session: Session, *, mask_numbers: bool, names: Known = NOBODY) -> dict[str, Any]:
    """*session* as JSON, parties with their *names*; with *mask_numbers*, every telephone number is masked."""
    remarks = session.remarks
    name = name_in(session, names)
    if session.controls.conference and not remarks.manual:  # of several others, none is the other party
        name = CONFERENCE
    shown = Shown(session, name, names.of(session.from_), names.of(session.to), _parent_of(session, names))
    json: dict[str, Any] = SESSION.dump(shown)
    if not mask_numbers:
        return json
    hidden = masked(json)
    ids = {field: json[field] for field in ("id", "callId", "sipCallId", "leg")}
    of_call = {field: json["call"][field] for field in ("id", "sipCallId", "talkingToIds")}
    page = hidden["page"] | {"sdkCallId": json["page"]["sdkCallId"]}
    of_status = {"callId": json["status"]["callId"]}
    if parent_status := hidden["status"]["transferParent"]:
        of_status["transferParent"] = parent_status | {"callId": session.controls.parent}
    parts = {"call": hidden["call"] | of_call, "page": page, "status": hidden["status"] | of_status}
    return {**hidden, **ids, **parts}
