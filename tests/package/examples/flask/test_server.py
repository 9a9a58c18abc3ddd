from server import app


def test_one_rings_sales(simulated_call):
    call = simulated_call(app, answer="/answer", event="/event", digits=["1"])
    assert call.said == ["For sales press 1."]
    assert call.rung == ["447700900301"]


def test_silence_ends_the_call(simulated_call):
    call = simulated_call(app, answer="/answer", event="/event")
    assert call.said[-1] == "Goodbye."
    assert (call.status, call.ended_by) == ("completed", "platform")
