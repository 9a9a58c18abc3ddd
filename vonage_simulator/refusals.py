"""Why the carrier refuses a command: the Voice API has a response for each."""


class NoSuchLeg(Exception):
    """There is no such leg, or it is over."""


class NoSuchConversation(Exception):
    """There is no such conversation, or nobody is in it."""


class NotActive(Exception):
    """The leg has not been answered yet, or just now."""


class TooFast(Exception):
    """More new calls a second than the application may make."""


class TooEarly(Exception):
    """A leg cannot be hung up so soon after it was made."""


class NotRinging(Exception):
    """The far end is not being rung."""
