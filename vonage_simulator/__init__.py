"""Simulates Vonage: places calls, runs NCCO, and sends the webhooks, with no phone and no internet.

It imports nothing of the server that it calls, so that comparing the two means something. What happened is in a ledger.

    what is to happen     scenario (the data), scenarios (reading files), scenario_ncco, scenario_commands, library/
    a call                carrier (places calls), call_control (what the Voice API does), active_leg (a leg while it
                          lasts), machine_detection, recorder, files; call_context (what all of them share)
    its NCCO              ncco (what Vonage refuses), ncco_runner, actions/ (one file per action)
    webhooks              webhook_bodies, billing, ids, audio; delivery/ (signing, time limits, retries, faults)
    the APIs              voice_api/ (Voice, Users and Application API), certificate, refusals
    the result            ledger (what happened), trace (as it happens), transcript (in words), call_result (for tests)
    is the server right   verify/ (compares what a server says with the ledger)
    real calls            capture/ (turns them into scenarios)
    all together          simulation; clock (time that runs faster, or jumps); harness (one call), pytest_plugin
"""
