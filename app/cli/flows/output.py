"""What `flask flows` prints: nothing that is logged, and URLs without their state."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.web.logs import LOGGERS

STATE: Final = re.compile(r"([?&]state=)[\w=-]+", re.ASCII)


def without_state(text: str) -> str:
    """*text* with the state that a call carries from step to step left out of its URLs."""
    return STATE.sub(r"\1…", text)


@contextmanager
def unlogged() -> Iterator[None]:
    """Log nothing while this lasts: the command prints what there is to say.

    An app that is created meanwhile sets up the log for itself; the handlers there were before are put back.
    """
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers[:], logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
