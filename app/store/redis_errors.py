"""The errors of Redis and of connections to it, as StoreUnavailable with its reason in one word."""

from __future__ import annotations

import re

from redis.exceptions import BusyLoadingError, ClusterError, RedisClusterException, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from app.store import timeouts
from app.store.errors import StoreUnavailable

NAMES = {  # of errors whose first word redis-py takes away
    "BusyLoadingError": "loading",
    "ReadOnlyError": "readonly",
    "OutOfMemoryError": "oom",
    "AuthenticationError": "noauth",
    "NoPermissionError": "noperm",
    "NoScriptError": "noscript",
    "ClusterCrossSlotError": "crossslot",
    "MovedError": "moved",  # a cluster, and REDIS_CLUSTER is not set
    "AskError": "moving",
    "TryAgainError": "moving",
    "NotReplicated": "replicas",
}
# The first word of an error says what kind it is, in capitals; redis-py takes ERR away, which is any other kind.
# Redis 6 puts the error of a command in a script behind "Error running script (call to f_…): @user_script:7: ".
KIND = re.compile(r"(?:.*@user_script: ?\d+: -?)?([A-Z]{3,})\b")
# What is wrong with the rights within a script is an ERR: Redis 7 and Valkey, and Redis 6.
DENIED = re.compile(r"ACL failure in script|The user executing the script can't")
NOT_SENT = "not sent"  # note on an error: Redis did not get the command
AWAY = (RedisError, RedisClusterException, OSError)  # the second of them is no RedisError


class NotReplicated(RedisError):
    """What was written is on the primary, but too few replicas confirmed it in time."""


DOUBTFUL = (RedisConnectionError, RedisTimeoutError, NotReplicated)  # the command may have been carried out


def as_redis_error(error: Exception) -> RedisError:
    """*error*, one of AWAY, as a RedisError, with its notes."""
    if isinstance(error, RedisError):
        return error
    same = ClusterError if isinstance(error, RedisClusterException) else RedisConnectionError
    converted = same(str(error))
    for note in getattr(error, "__notes__", ()):
        converted.add_note(note)
    return converted


def unavailable(error: RedisError) -> StoreUnavailable:
    """*error* with its reason in one word. https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors"""
    # A connection may break after Redis got the command. Other errors, LOADING among them, say that it did nothing.
    broken = isinstance(error, DOUBTFUL) and not isinstance(error, BusyLoadingError)
    sent = broken and NOT_SENT not in getattr(error, "__notes__", ())
    if isinstance(error, RedisTimeoutError):
        return StoreUnavailable("timeout", f"no reply within {timeouts.READ_SECONDS} s", sent=sent)
    reason = NAMES.get(type(error).__name__) or ("cluster" if isinstance(error, ClusterError) else None)
    if reason is None:
        kind = KIND.match(str(error))
        if isinstance(error, RedisConnectionError):
            reason = "refused"
        elif DENIED.search(str(error)):
            reason = "noperm"
        else:
            reason = kind[1].lower() if kind else "err"
    return StoreUnavailable(reason, str(error), sent=sent)
