"""What app and worker say to each other about the connection of the request that runs."""

from contextvars import ContextVar


class Connection:
    """One that nobody closes, as outside of the worker."""

    closed = False  # by the worker, which needs the place for another

    def keep(self) -> None:
        """Leave it open for the reply: the request has a valid token or signature."""


class ConnectionClosed(BaseException):
    """The worker has closed the connection: the app need not make a reply."""


connection: ContextVar[Connection] = ContextVar("connection", default=Connection())  # noqa: B039 - it has no state
