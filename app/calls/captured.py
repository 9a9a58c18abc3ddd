"""A call as a scenario of the simulator, which plays it again."""

from __future__ import annotations

from app.calls.call_queries import CallQueries
from app.domain.calls import Call
from app.store.apart import apart

HEADER = "Captured from a real call."
UNANSWERED = " Its NCCO is not known: when it is played, the answer URL is requested."


def captured(queries: CallQueries, call: Call, role: str | None, *, keep_numbers: bool = False) -> str:
    """*call*, over all of its conversations, as YAML; with it the calls that it shares a conference with.

    Telephone numbers are replaced by unassigned ones unless *keep_numbers*; for *role* they are masked before.
    """
    calls = [call]
    if call.linked:
        calls += [other for other in queries.calls_of(call.everywhere) if other.id in call.linked]
    dumped = queries.dump_all(calls, role)
    events = [event for each in calls for event in queries.dump_events(each, queries.events(each), role)]
    whole = {name: [item for each in dumped for item in each[name]] for name in ("legs", "answers", "inputs")}

    def write() -> str:
        # Here, so that no other process than one that needs it imports all of the simulator.
        from vonage_simulator.capture.capture import scenario
        from vonage_simulator.scenarios import dump

        header = HEADER if whole["answers"] else HEADER + UNANSWERED
        return dump(scenario(whole, events, keep_numbers=keep_numbers), header)

    return apart(write)
