"""How the app says that a request is of somebody it knows: the worker then keeps its connection for the reply."""

from collections.abc import Callable
from contextvars import ContextVar

# What to call for the request that runs now; the worker sets it.
keep_connection: ContextVar[Callable[[], None]] = ContextVar("keep_connection", default=lambda: None)
