"""Why a request of `flask doctor` got no response: the cause, from below the layers of `requests`."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Final

# https://requests.readthedocs.io/en/latest/user/advanced/#ssl-cert-verification
OWN_AUTHORITY: Final = (
    "If this machine does not know the authority that signed it (the simulator's, that of a proxy in between), set "
    "REQUESTS_CA_BUNDLE to the file of its certificate."
)


def certificate_refused(error: BaseException) -> bool:
    """Whether the other side was reached, and its certificate is not accepted."""
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in _causes(error))


def why(error: BaseException) -> str:
    """The cause, in a few words; the name of *error* where there is none below it."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not valid: {cause.verify_message}"
            case socket.gaierror():
                return f"no address for its name: {cause.strerror}"
            case TimeoutError():
                return "no response in time"
            case OSError(strerror=str(words)):
                return words
    return type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
