"""Why an action cannot be done; each names whose fault it is. `app/api/acting.py` makes responses of them."""

from __future__ import annotations

from typing import Final

from app.domain.conferences import Fault

WHY: Final = {
    "invalid-data": "Name the host and one or more other legs, each once.",
    "host-call-not-found": "The host's leg is not live, or not yours.",
    "host-call-creation-error": "The host talks to nobody.",
    "host-already-in-conference": "The host is in a conference already, or talks to several.",
    "participant-call-not-found": "A participant must be live and talk to one leg of the host, or be on hold for it.",
    "participant-already-in-conference": "The participant is in a conference already.",
}


class ControlError(Exception):
    """The action was not done: nothing has changed."""


class NotConfigured(ControlError):
    """A setting is missing, which *what* needs."""

    def __init__(self, settings: tuple[str, ...], *, what: str = "Acting on calls") -> None:
        super().__init__(f"{what} needs {' and '.join(settings)}: set {'it' if len(settings) == 1 else 'them'}.")
        self.settings = settings


class KeyRefused(ControlError):
    """Vonage does not take the application's key."""

    def __init__(self, said: str | None) -> None:
        super().__init__("VONAGE_PRIVATE_KEY must be the key of VONAGE_APPLICATION_ID." + _said(said))


class UserRefused(ControlError):
    """Vonage makes no user of that name."""

    def __init__(self, said: str | None) -> None:
        super().__init__("Vonage makes no user of this name." + _said(said))


class NoVonage(ControlError):
    """Vonage cannot be reached, has a fault or, if *busy*, no turn for this request."""

    def __init__(self, why: str, *, busy: bool = False) -> None:
        super().__init__(why)
        self.busy = busy


class UnknownLeg(ControlError):
    """No such leg is stored."""


class UnknownConversation(ControlError):
    """No such conversation is stored."""


class LegEnded(ControlError):
    """The leg, or the conversation, has ended."""


class MovePending(ControlError):
    """The leg is being moved already, and the webhook that confirms it has not come yet."""

    def __init__(self, action: str) -> None:
        super().__init__("The leg is being moved already: try again once that is confirmed, within a few seconds.")
        self.action = action


class InOperation(ControlError):
    """The leg is part of a transfer or conference that has not ended."""

    def __init__(self, operation: str) -> None:
        super().__init__("The leg is part of a transfer or a conference: act on that, or wait for its end.")
        self.operation = operation


class UnknownOperation(ControlError):
    """No such transfer or conference is stored."""


class CannotMeet(ControlError):
    """A conference cannot be as wanted; `fault` has Wazo's error id, and the leg that it is about."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(WHY[fault.error_id])
        self.fault = fault


class WrongState(ControlError):
    """The leg is not in a state for it: it is on hold already, or is not."""


class BadNcco(ControlError):
    """Vonage would refuse the NCCO, endpoint or region, or the flow cannot be rendered."""


def _said(detail: str | None) -> str:
    return f" Vonage says: {detail}" if detail else ""
