"""A simulated Vonage: a carrier that places calls, runs NCCO and sends webhooks, with no phone and no internet.

It imports nothing of the server that it calls. What happened is in a ledger of its own; the server's API is compared
with that. Where to look:

    what is to happen      scenario (what one says), scenarios (reading files), library/ (those built in)
    a call                 carrier (places calls), call_context (what all calls share), active_leg, playback, keypad,
                           call_control (what the Voice API does to it), scenario_commands, people (what a test makes
                           far ends do), behaviour (what may be either way)
    its NCCO               ncco (what Vonage accepts), ncco_runner, actions/ (one file per action), recorder
    webhooks               webhook_bodies, billing, files, ids; delivery/ (signing, timeouts, retries, faults)
    the APIs               voice_api/ (Voice, Users and Application API, faults, regions), certificate, refusals
    users in browsers      client_sdk/ (a stand-in for Vonage's Client SDK)
    what happened          ledger (the truth), spans (when it was so), holds, ledger_json, trace (as it goes),
                           transcript (in words), call_result (for tests)
    is the server right    verify/ (what its API should say, and where it differs)
    real calls             capture/ (made into scenarios)
    to use it              cli/ (the command vonage-simulator), pytest_plugin (the fixture), harness (one call to a
                           server), simulation (all parts put together), clock (time that runs faster, or jumps),
                           one_call (one of many at a carrier)
"""
