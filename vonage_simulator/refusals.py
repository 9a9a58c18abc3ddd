"""What the carrier does not do, and why: the Voice API turns each into its own answer."""


class NoSuchLeg(Exception):
    """There is no such leg, or it is over."""


class NoSuchConversation(Exception):
    """There is no such conversation, or nobody is in it."""


class NotActive(Exception):
    """The leg has not been answered yet."""


class TooFast(Exception):
    """More new calls a second than the application may make."""


class TooEarly(Exception):
    """A leg cannot be hung up so soon after it was made."""
