"""Why an action cannot be done; each names whose fault it is. `app/api/acting.py` makes responses of them."""

from __future__ import annotations


class ControlError(Exception):
    """The action was not done: nothing has changed."""


class NotConfigured(ControlError):
    """A setting is missing."""

    def __init__(self, settings: tuple[str, ...]) -> None:
        super().__init__(
            f"Acting on calls needs {' and '.join(settings)}: set {'it' if len(settings) == 1 else 'them'}."
        )
        self.settings = settings


class UnknownLeg(ControlError):
    """No such leg, or conversation, is stored."""


class LegEnded(ControlError):
    """The leg, or the conversation, has ended."""


class MovePending(ControlError):
    """The leg is being moved already, and the webhook that confirms it has not come yet."""

    def __init__(self, action: str) -> None:
        super().__init__("The leg is being moved already: try again once that is confirmed, within a few seconds.")
        self.action = action


class WrongState(ControlError):
    """The leg is not in a state for it: it is on hold already, or is not."""


class BadNcco(ControlError):
    """Vonage would refuse the NCCO, or the flow cannot be rendered."""
