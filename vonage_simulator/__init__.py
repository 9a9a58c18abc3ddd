"""A Vonage that is not: a carrier that places calls, runs NCCO, and sends the webhooks, with no phone and no internet.

It knows nothing of the server it calls: what truly happened stands in a ledger of its own, so that agreement means
something. Where to look:

    what is to happen     scenario (what one says), scenarios (reading files), library/ (those built in)
    a call                carrier (places calls, does what the Voice API asks), switchboard (what all parts share),
                          lines (a leg while it lasts), dialling (ringing somebody), controlling (a scenario's commands)
    its script            script (runs NCCO), asking (input), connecting (connect), rooms (conversation), recorder
    what Vonage says      bodies (every webhook's fields), billing, audio, ids; ncco (what it would refuse)
    how it gets there     delivery/ (signing, time limits, retries, and what goes wrong on purpose)
    what it is asked      voice_api/ (the Voice, Users and Application APIs), certificate, refusals
    what happened         ledger (the truth), happenings (as it goes), telling (in words), heard (for tests)
    was it told truly     truth/ (what a server should tell, what it tells, where they differ)
    real calls            capture/ (made scenarios)
    all of it together    simulation; clock (time that runs faster, or jumps); rehearsal (one call to a server, heard),
                          pytest_plugin (the fixture that does it)
"""
