"""What each NCCO action does to a leg, one file per action: https://developer.vonage.com/en/voice/voice-api/ncco-reference

Each has `run(active, action)`, which returns an NCCO that replaces the rest of the script, or None to go on.
"""
