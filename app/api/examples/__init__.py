"""Real responses for the description of the API: the call of Vonage's tutorial, as an operator sees it.

https://developer.vonage.com/en/tutorials/phone-to-app
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

CALL: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "call.json").read_text())
SESSION: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "session.json").read_text())
SESSIONS: Final = {"items": [SESSION], "next": None}
IN_FULL: Final = frozenset({"answers", "inputs", "recordings", "errors"})
CALLS: Final = {"items": [{name: value for name, value in CALL.items() if name not in IN_FULL}], "next": None}
