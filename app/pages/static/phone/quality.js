// How good the network is, from two statistics of the SDK one after the other.
//
// https://developer.vonage.com/en/vonage-client-sdk (`rtcStatsUpdate`, type RtcStats of @vonage/client-sdk): counts of packets
// since the call began, and the round trip in seconds, as WebRTC has it: https://www.w3.org/TR/webrtc-stats/. Limits: ITU-T G.114 calls a delay one way of up to 150 ms good and more than 400 ms
// bad; losses of some per cent are heard.

const FAIR = { loss: 2, delay: 300 }; // per cent of the packets; ms there and back
const POOR = { loss: 5, delay: 800 };

/** { level: good, fair or poor, loss in per cent, delay in ms }; null if nothing came in between. */
export function qualityOf(before, now) {
  const received = now.audioRecvPackets - (before?.audioRecvPackets ?? 0);
  const lost = now.audioRecvPacketsLost - (before?.audioRecvPacketsLost ?? 0);
  const sent = now.audioSentPackets - (before?.audioSentPackets ?? 0);
  const sentLost = now.audioSentPacketsLost - (before?.audioSentPacketsLost ?? 0);
  if (received + lost <= 0 && sent <= 0) return null;
  const share = (part, whole) => (whole > 0 ? Math.max(0, (100 * part) / whole) : 0);
  const loss = Math.max(share(lost, received + lost), share(sentLost, sent));
  const delay = 1000 * Math.max(0, now.audioRtt ?? 0);
  const beyond = (limit) => loss > limit.loss || delay > limit.delay;
  return { level: beyond(POOR) ? "poor" : beyond(FAIR) ? "fair" : "good", loss, delay };
}
