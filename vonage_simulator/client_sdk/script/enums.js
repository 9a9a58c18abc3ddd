// The values and the error of @vonage/client-sdk: https://www.npmjs.com/package/@vonage/client-sdk (type definitions).

/** REMOTE_HANGUP is RemoteHangup, networkChange is NetworkChange. */
const memberName = (value) => {
  const words = value === value.toUpperCase() ? value.toLowerCase().split("_") : [value];
  return words.map((word) => word[0].toUpperCase() + word.slice(1)).join("");
};

const enumOf = (...values) => Object.freeze(Object.fromEntries(values.map((value) => [memberName(value), value])));

const HangupReason = enumOf(
  "REMOTE_HANGUP", "REMOTE_REJECT", "REMOTE_NO_ANSWER_TIMEOUT", "LOCAL_HANGUP", "MEDIA_TIMEOUT",
);
const CancelReason = enumOf("RemoteCancel", "AnsweredElsewhere", "RejectedElsewhere", "RemoteTimeout");
const LegStatus = enumOf("RINGING", "ANSWERED", "COMPLETED");
const SessionErrorReason = enumOf("EXPIRED_TOKEN", "TRANSPORT_CLOSED", "PING_TIMEOUT");
const CallDisconnectReason = enumOf("networkChange");
const VoiceChannelType = enumOf("app", "phone", "sip", "websocket");
const VonageErrorType = enumOf("CS_ERROR", "NETWORK_ERROR", "SESSION_ERROR", "INTERNAL_ERROR", "UNKNOWN_ERROR");
const SessionErrorCodes = enumOf(
  "EMPTY_TOKEN", "FORCED_DISCONNECT", "TIMEOUT", "INTERNAL_FAILURE", "NO_ACTIVE_SESSION", "ALREADY_ACTIVE_SESSION",
  "INVALID_TOKEN", "EXPIRED_TOKEN", "INVALID_USER", "AUTHORIZATION_ERROR", "INVALID_SESSION", "MAX_OPEN_SESSIONS",
  "INVALID_SOCKET_TRANSPORT", "CLIENT_DISCONNECT", "PING_TIMEOUT_DISCONNECT", "TRANSPORT_CLOSED_DISCONNECT",
);
const ConfigRegion = Object.freeze({ AP: "AP", EU: "EU", US: "US" });
const LoggingLevel = Object.freeze(
  Object.fromEntries(["Verbose", "Debug", "Info", "Warn", "Error", "Assert"].map((level) => [level, level])),
);

/** What a method is rejected with. `type` is a VonageErrorType, `code` may be null. */
class VonageError extends Error {
  constructor({ type, code = null, message }) {
    super(message);
    this.name = "VonageError";
    this.type = type;
    this.code = code;
  }
}
