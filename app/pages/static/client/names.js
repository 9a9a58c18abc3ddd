// Names that pages for Wazo and Yeastar use, and the event of the stream that each one is.

const ELSEWHERE = "answered_elsewhere"; // the cause of a call that somebody else took

// Names of Wazo's Phone, and the event of the stream that each one is. Both the constant and its value can be used.
export const WAZO = {
  ON_CALL_INCOMING: ["onCallIncoming", "call_incoming"],
  ON_CALL_OUTGOING: ["onCallOutgoing", "call_created", (data) => data.session?.isCaller],
  ON_CALL_ANSWERED: ["onCallAnswered", "call_answered"],
  ON_CALL_ACCEPTED: ["onCallAccepted", "call_answered"],
  ON_CALL_MUTED: ["onCallMuted", "call_muted"],
  ON_CALL_UNMUTED: ["onCallUnmuted", "call_unmuted"],
  ON_CALL_HELD: ["onCallHeld", "call_held"],
  ON_CALL_RESUMED: ["onCallResumed", "call_resumed"],
  ON_CALL_UNHELD: ["onCallUnHeld", "call_resumed"],
  ON_CALL_CANCELED: [
    "onCallCanceled", "call_ended", (data) => ["cancelled", ELSEWHERE].includes(data.cause),
    (data) => [data.session, data.cause === ELSEWHERE],
  ],
  ON_CALL_REJECTED: ["onCallRejected", "call_ended", (data) => data.cause === "rejected"],
  ON_CALL_ENDED: ["onCallEnded", "call_ended"],
  ON_SHARE_SCREEN_STARTED: ["onScreenShareStarted", "screen_share_started"],
  ON_SHARE_SCREEN_ENDED: ["onScreenShareEnded", "screen_share_ended"],
  ON_REGISTERED: ["onRegistered", "registration_changed", (data) => data.userState?.registered, () => []],
  ON_UNREGISTERED: ["onUnRegistered", "registration_changed", (data) => !data.userState?.registered, () => []],
};
const named = (data) => [{ callId: data.session.id, session: data.session }];
const YEASTAR = {
  newRTCSession: ["call_created", () => true, named],
  incoming: ["call_incoming", () => true, named],
  startSession: ["session_started", () => true, named],
  deleteSession: [
    "call_ended", () => true, (data) => [{ callId: data.session.id, cause: data.cause, detail: data.detail }],
  ],
  registered: ["registration_changed", (data) => data.userState.registered, () => []],
  isRegisteredChange: ["registration_changed", () => true, (data) => [data.userState.registered]],
  recordPermissionsChange: [
    "record_permissions_changed", () => true, (data) => [data.userState.record_permissions],
  ],
};
export const ALSO = new Map(); // event of the stream -> [[name, condition, arguments]]
const also = (event, ...more) => ALSO.set(event, [...(ALSO.get(event) ?? []), more]);
const isAny = () => true;
const session = (data) => [data.session];
for (const [constant, [value, event, when = isAny, args = session]] of Object.entries(WAZO)) {
  also(event, value, when, args);
}
for (const [name, [event, when, args]] of Object.entries(YEASTAR)) also(event, name, when, args);

/** By which listeners are kept: a constant of Wazo's is the same as its value. */
export function keyOf(name) {
  return WAZO[name]?.[0] ?? name;
}
