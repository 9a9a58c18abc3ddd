"""Folders for apps of one test each, in which the events wait that their Redis does not take."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from itertools import count
from pathlib import Path

NOWHERE = Path("/proc/none")  # nobody can make it, root neither

_all = Path(tempfile.mkdtemp(prefix="switchhook-"))
atexit.register(shutil.rmtree, _all, ignore_errors=True)
_numbers = count()


def own_folder() -> Path:
    """A new folder, not made yet. It is removed with all others when the tests end."""
    return _all / str(next(_numbers))
