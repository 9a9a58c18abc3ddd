"""How long we wait for Redis, in seconds. Read when they are used: tests on a busy machine have longer ones."""

from __future__ import annotations

CONNECT_SECONDS = 0.2
READ_SECONDS = 0.4  # for the replies to one exchange
BORROW_SECONDS = 0.2  # for a connection that is free
WRITE_SECONDS = 0.7  # a request waits no longer for its event to be kept
REQUEST_SECONDS = 0.7  # for all reads of one request; connecting to a Redis that is away comes on top
LONG_SECONDS = 5.0  # for reads of thousands of values, in pieces
HUNG_SECONDS = 1.0  # how long a node of a cluster that timed out is left out: the others must not wait for it
