// Every member of the stand-in, with the signature that it is written for: what a phone may use.
// test_types.py has the TypeScript compiler compare this with the types of @vonage/client-sdk, and with the script.

import * as sdk from "@vonage/client-sdk";
import { standIn } from "./stand_in"; // what the script has, written by test_types.py

export interface Methods {
  setConfig(config: sdk.ClientConfigObject): void;
  createSession(token: string, sessionId?: string | null): Promise<string>;
  refreshSession(token: string): Promise<void>;
  deleteSession(): Promise<void>;
  getUser(userIdOrName: string): Promise<User>;
  serverCall(context?: sdk.Json): Promise<string>;
  answer(callId: string): Promise<void>;
  reject(callId: string): Promise<void>;
  hangup(callId: string, reasonText?: string, reasonCode?: string): Promise<void>;
  reconnectCall(callId: string): Promise<void>;
  mute(callId: string): Promise<void>;
  unmute(callId: string): Promise<void>;
  enableEarmuff(callId: string): Promise<void>;
  disableEarmuff(callId: string): Promise<void>;
  sendDTMF(callId: string, digits: string): Promise<void>;
  say(callId: string, params: { text: string }): Promise<void>;
  getPeerConnection(id: string): RTCPeerConnection | undefined;
  getAudioOutputElement(): HTMLAudioElement | undefined;
  off(event: "callInvite", callbackSymbol: symbol): boolean;
  clearCallbacks(event: "callInvite"): void;
  on(event: "callInvite", callback: Events["callInvite"]): symbol;
}

export interface Events {
  callInvite(callId: string, from: string, channelType: sdk.VoiceChannelType): void;
  callInviteCancel(callId: string, reason: sdk.CancelReason): void;
  callHangup(callId: string, callQuality: Quality, reason: sdk.HangupReason): void;
  legStatusUpdate(callId: string, legId: string, legStatus: sdk.LegStatus): void;
  mute(callId: string, legId: string, isMuted: boolean): void;
  earmuff(callId: string, legId: string, earmuffStatus: boolean): void;
  dtmf(callId: string, legId: string, digits: string): void;
  callTransfer(callId: string, conversationId: string): void;
  callMediaReconnecting(callId: string): void;
  callMediaReconnection(callId: string): void;
  callMediaDisconnect(callId: string, reason: sdk.CallDisconnectReason): void;
  callMediaError(callId: string, error: sdk.VonageError): void;
  reconnecting(): void;
  reconnection(): void;
  sessionError(reason: sdk.SessionErrorReason): void;
  rtcStatsUpdate(stats: Stats, callId: string): void;
}

export interface User {
  id: string;
  name: string;
  displayName: string | null | undefined;
}

export interface Quality {
  mos_score: number;
  quality_percentage: number;
  jitter_min_var: number;
  jitter_max_var: number;
  jitter_loss_rate: number;
  jitter_burst_rate: number;
  flaw_total: number;
  packet_cnt: number;
  packet_loss_perc: number;
}

export interface Stats {
  audioRecvPackets: number;
  audioRecvPacketsLost: number;
  audioRecvBytes: number;
  audioRecvJitter: number;
  audioSentPackets: number;
  audioSentPacketsLost: number;
  audioSentBytes: number;
  audioSentJitter: number;
  audioRtt: number;
}

export interface SdkError {
  type: sdk.VonageErrorType;
  code: string | null | undefined;
  message: string;
}

type IsAny<T> = 0 extends 1 & T ? true : false; // the package's types have it for numbers

/** The names of the members of *Right* that are not true; true if there are none. */
type Wrong<Right> = {
  [Key in keyof Right]-?: Right[Key] extends true ? never : Key;
}[keyof Right] extends infer Names
  ? [Names] extends [never]
    ? true
    : Names
  : never;

/** Whether each member of *Ours* is in *Theirs*, and what is there can be used as it. */
type Fits<Ours, Theirs> = Wrong<{
  [Key in keyof Ours]: Key extends keyof Theirs
    ? IsAny<Theirs[Key]> extends true
      ? true
      : Theirs[Key] extends Ours[Key]
        ? true
        : false
    : false;
}>;

type Given<Method> = Method extends (...given: infer Parameters) => unknown ? Parameters : never;
type Count<Parameters extends unknown[]> = Required<Parameters>["length"];

/** Whether a method of *Theirs* takes what one of *Ours* is given, and neither takes one more. */
type Takes<Ours, Theirs> = Wrong<{
  [Key in keyof Ours]: Key extends keyof Theirs
    ? [Given<Ours[Key]>, Count<Given<Ours[Key]>>] extends [Given<Theirs[Key]>, Count<Given<Theirs[Key]>>]
      ? true
      : false
    : false;
}>;

/** The same the other way, for events: whether a callback of *Ours* takes what it is given there. */
type TakesThere<Ours, Theirs> = Wrong<{
  [Key in keyof Ours]: Key extends keyof Theirs
    ? [Given<Theirs[Key]>, Count<Given<Theirs[Key]>>] extends [Given<Ours[Key]>, Count<Given<Ours[Key]>>]
      ? true
      : false
    : false;
}>;

type Same<Ours, Theirs> = [Ours, Theirs] extends [Theirs, Ours] ? true : [Ours, Theirs];

// Generic methods lose their parameters in such a comparison: `on`, `off` and `clearCallbacks` are called instead.
type Plain<T> = Omit<T, "on" | "off" | "clearCallbacks">;
declare const client: sdk.VonageClient;
declare const callback: Events["callInvite"];
const symbol: symbol = client.on("callInvite", callback);
const removed: boolean = client.off("callInvite", symbol);
client.clearCallbacks("callInvite");

export const methodsFit: Fits<Plain<Methods>, sdk.VonageClient> = true;
export const methodsTake: Takes<Plain<Methods>, sdk.VonageClient> = true;
export const eventsTake: TakesThere<Events, sdk.VonageEvent> = true;
export const userFits: Fits<User, Awaited<ReturnType<sdk.VonageClient["getUser"]>>> = true;
export const qualityFits: Fits<Quality, sdk.RTCQuality> = true;
export const statsFit: Fits<Stats, sdk.RtcStats> = true;
export const errorFits: Fits<SdkError, sdk.VonageError> = true;

export const ourMethods: Same<keyof typeof standIn.methods, keyof Methods> = true;
export const hangupReasons: Same<typeof standIn.HangupReason, typeof sdk.HangupReason> = true;
export const cancelReasons: Same<typeof standIn.CancelReason, typeof sdk.CancelReason> = true;
export const legStatuses: Same<typeof standIn.LegStatus, typeof sdk.LegStatus> = true;
export const sessionErrorReasons: Same<typeof standIn.SessionErrorReason, typeof sdk.SessionErrorReason> = true;
export const disconnectReasons: Same<typeof standIn.CallDisconnectReason, typeof sdk.CallDisconnectReason> = true;
export const channels: Same<typeof standIn.VoiceChannelType, typeof sdk.VoiceChannelType> = true;
export const errorTypes: Same<typeof standIn.VonageErrorType, typeof sdk.VonageErrorType> = true;
export const sessionErrorCodes: Same<typeof standIn.SessionErrorCodes, typeof sdk.SessionErrorCodes> = true;
export const loggingLevels: Same<typeof standIn.LoggingLevel, typeof sdk.LoggingLevel> = true;
export const regions: Same<keyof typeof standIn.ConfigRegion, typeof sdk.ConfigRegion.prototype.name> = true;
