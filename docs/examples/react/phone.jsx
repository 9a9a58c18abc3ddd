// A phone in React: calls that are answered, a conference of two of them, a shared screen.
import React, { useEffect, useRef, useState } from "react";
import Wazo from "./wazo.js";

export const Phone = () => {
  const [callSession, setCallSession] = useState(null); // the active call
  const [callSessions, setCallSessions] = useState({}); // all calls that are answered
  const [incoming, setIncoming] = useState(null);
  const [conference, setConference] = useState(null);
  const [screen, setScreen] = useState(null); // what somebody else shares

  useEffect(() => {
    const onCallAnswered = (answered) => {
      setIncoming((call) => (call?.is(answered) ? null : call));
      setCallSession(answered);
      setCallSessions((prevSessions) => ({ ...prevSessions, [answered.getId()]: answered }));
    };
    const onCallEnded = (ended) => {
      setIncoming((call) => (call?.is(ended) ? null : call));
      setCallSession((call) => (call?.is(ended) ? null : call));
      setCallSessions(({ [ended.getId()]: _, ...others }) => others);
    };
    const onCallUpdated = ({ session }) => {
      setCallSessions((prevSessions) => (
        prevSessions[session.getId()] ? { ...prevSessions, [session.getId()]: session } : prevSessions
      ));
    };
    const listeners = {
      [Wazo.Phone.ON_CALL_INCOMING]: setIncoming,
      [Wazo.Phone.ON_CALL_ANSWERED]: onCallAnswered,
      [Wazo.Phone.ON_CALL_ENDED]: onCallEnded,
      call_updated: onCallUpdated,
      conference_adhoc_deleted: () => setConference(null),
      screen_share_received: ({ stream }) => setScreen(stream),
      screen_share_lost: () => setScreen(null),
    };
    for (const [name, listener] of Object.entries(listeners)) Wazo.Phone.on(name, listener);
    Wazo.Phone.connect({ audio: true, video: true });
    return () => {
      for (const [name, listener] of Object.entries(listeners)) Wazo.Phone.off(name, listener);
    };
  }, []);

  const startConference = async () => {
    const others = Object.values(callSessions).filter((each) => !each.is(callSession));
    const adHocConference = await Wazo.Phone.startConference(callSession, others);
    setCallSession(adHocConference.host);
    setConference(adHocConference);
  };

  return (
    <main>
      {incoming && (
        <p>
          {incoming.displayName} calls <button onClick={() => Wazo.Phone.answer(incoming)}>Answer</button>
        </p>
      )}
      <ul>
        {Object.values(callSessions).map((each) => (
          <li key={each.getId()}>
            {each.displayName}
            <button onClick={() => Wazo.Phone.hangup(each)}>Hang up</button>
            <button onClick={() => Wazo.Phone.startScreenSharing({ video: true }, each)}>Share the screen</button>
          </li>
        ))}
      </ul>
      {Object.keys(callSessions).length > 1 && !conference && <button onClick={startConference}>Merge</button>}
      {conference && <button onClick={() => conference.hangup()}>End the conference of {conference.participants.size}</button>}
      {screen && <Screen stream={screen} />}
    </main>
  );
};

const Screen = ({ stream }) => {
  const video = useRef(null);
  useEffect(() => { video.current.srcObject = stream; }, [stream]);
  return <video ref={video} autoPlay muted />;
};
