"""Which hosts are Vonage's: the application's token is sent to these alone."""

from __future__ import annotations

import re
from typing import Final

# Webhooks name api.nexmo.com, its regions (api-us.nexmo.com) and, of late, hosts of vonage.com.
# https://developer.vonage.com/en/voice/voice-api/webhook-reference#record
VONAGES: Final = (".nexmo.com", ".vonage.com")


def is_vonages(host: str) -> bool:
    """Ends in, not contains: api.nexmo.com.evil.example contains it."""
    host = host.rstrip(".")
    return host.endswith(VONAGES) and re.fullmatch(r"[a-z0-9.-]+", host, re.ASCII) is not None
