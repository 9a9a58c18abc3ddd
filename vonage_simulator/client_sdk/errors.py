"""The errors that a page gets, with the types and codes of the SDK.

Source: `VonageErrorType` and `SessionErrorCodes` in the type definitions of https://www.npmjs.com/package/@vonage/client-sdk.
Which code comes when is not documented beyond its name; the messages are ours.
"""

from __future__ import annotations

from typing import Literal

ErrorType = Literal["CS_ERROR", "NETWORK_ERROR", "SESSION_ERROR", "INTERNAL_ERROR"]
SessionCode = Literal[
    "EMPTY_TOKEN",
    "INVALID_TOKEN",
    "EXPIRED_TOKEN",
    "INVALID_USER",
    "AUTHORIZATION_ERROR",
    "INVALID_SESSION",
    "MAX_OPEN_SESSIONS",
    "NO_ACTIVE_SESSION",
    "ALREADY_ACTIVE_SESSION",
]


class SdkError(Exception):
    """A request of a page is refused."""

    def __init__(self, type_: ErrorType, code: str | None, message: str) -> None:
        super().__init__(message)
        self.type, self.code = type_, code

    def describe(self) -> dict[str, str | None]:
        return {"type": self.type, "code": self.code, "message": str(self)}


def session_error(code: SessionCode, message: str) -> SdkError:
    """There is no session, or will be none."""
    return SdkError("SESSION_ERROR", code, message)


def invalid(message: str) -> SdkError:
    """An argument is wrong."""
    return SdkError("CS_ERROR", "VALIDATION_FAIL", message)


def refused(message: str) -> SdkError:
    """It cannot be done now."""
    return SdkError("INTERNAL_ERROR", None, message)
