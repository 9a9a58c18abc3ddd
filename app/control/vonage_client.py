"""Requests to Vonage's Voice API, over the SDK's own HTTP client; its models are too narrow for some of them.

https://developer.vonage.com/en/api/voice
A request always ends after a few seconds, and says one of three things: Vonage's response, that it was not
carried out, or that nobody can say whether it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from queue import Empty, LifoQueue, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from app.vonage_hosts import is_vonages
from app.vonage_token import ApplicationTokens

if TYPE_CHECKING:
    import ssl

    from vonage_http_client import HttpClient

SECONDS: Final = 4  # of one request; the caller of our API waits no longer than 5 s in all
MOST_IDLE: Final = 32  # connections that are kept
# The SDK repeats a request whose connection was cut as often as its pool is large: with one, never. A new call must not
# be made twice. https://github.com/Vonage/vonage-python-sdk/blob/main/http_client/src/vonage_http_client/http_client.py
NO_REPEAT: Final = {"timeout": SECONDS, "pool_connections": 1, "pool_maxsize": 1, "max_retries": 0}

Method = Literal["GET", "POST", "PUT", "DELETE"]

# The SDK writes headers, token and all, and whole responses to its log.
logging.getLogger("vonage").disabled = True


class Response(NamedTuple):
    """A response of Vonage's; `body` is empty where it has none, or none that is JSON."""

    status: int
    body: Mapping[str, Any]
    date: datetime | None = None  # by Vonage's clock, in whole seconds

    @property
    def ok(self) -> bool:
        """Whether Vonage did it."""
        return 200 <= self.status < 300

    @property
    def detail(self) -> str | None:
        """What Vonage says is wrong, in the forms that it has for that (voice.yml, errors)."""
        body = self.body
        wrong = body.get("invalid_parameters")
        if isinstance(wrong, list) and wrong:
            parts = [f"{each.get('name')}: {each.get('reason')}" for each in wrong if isinstance(each, dict)]
            return "; ".join(parts) or None
        found = body.get("detail") or body.get("error_title") or body.get("title")
        return str(found)[:500] if found else None


class NotSent(Exception):
    """Vonage could not be reached: nothing was done."""


class NoReply(Exception):
    """The request was sent, and no response came: it may have been carried out."""


class LateReply(NoReply):
    """The same, as time ran out: it may yet be carried out."""


class VonageClient:
    """Sends requests with the application's token; without *credentials*, none.

    *hosts* may get it, besides Vonage's own: the usual one, then those of other regions.
    """

    def __init__(self, credentials: ApplicationTokens | None, hosts: tuple[str, ...]) -> None:
        self.credentials, self.hosts = credentials, hosts
        self._idle: LifoQueue[HttpClient] = LifoQueue(MOST_IDLE)
        self._certificates: ssl.SSLContext | None = None

    def prepare(self) -> None:
        """Import the SDK, and read key and certificates, now: in this third of a second nothing else is served."""
        if self.credentials is not None:
            self._give_back(self._borrow())

            self.credentials.current()

    def may_send_to(self, host: str) -> bool:
        """Whether *host*, which a webhook named, may get the token. With a simulated Vonage, the real one gets none."""
        return host in self.hosts or (is_vonages(self.hosts[0]) and is_vonages(host))

    def send(self, host: str, method: Method, path: str, body: Mapping[str, Any]) -> Response:
        """The response of *host* to *body*, sent as JSON or, by GET, as query. Raises NotSent, NoReply."""
        if not self.may_send_to(host):  # whoever called this should have seen to it: the token is worth every call
            raise NotSent(f"{host} is not a host of VONAGE_API_HOSTS")
        return _within(SECONDS, lambda: self._send(method, path, dict(body), host))

    def _send(self, method: Method, path: str, body: dict[str, Any], host: str) -> Response:
        import requests
        from urllib3.exceptions import NewConnectionError
        from vonage_http_client.errors import HttpRequestError

        client = self._borrow()
        kind: Literal["query_params", "json"] = "query_params" if method == "GET" else "json"
        try:
            found = client.make_request(method, host, path, body, "jwt", kind)
            status, date = client.last_response.status_code, _date(client.last_response)
        except HttpRequestError as error:
            status, found, date = error.response.status_code, _json(error.response), _date(error.response)
        except requests.exceptions.ConnectTimeout as error:
            raise NotSent(f"{host} does not answer") from error
        except requests.exceptions.SSLError as error:
            raise NotSent(f"the certificate of {host} is not valid") from error
        except requests.exceptions.ConnectionError as error:
            reason = getattr(error.args[0], "reason", None) if error.args else None
            if isinstance(reason, NewConnectionError):
                raise NotSent(f"{host} cannot be reached") from error
            raise NoReply(f"{host} closed the connection") from error
        except requests.exceptions.RequestException as error:
            raise LateReply(f"{host} did not reply in time") from error
        finally:
            self._give_back(client)
        return Response(status, found if isinstance(found, dict) else {}, date)

    def _borrow(self) -> HttpClient:
        """A client that nobody else uses: it is not for two threads at once."""
        from vonage_http_client import Auth, HttpClient, HttpClientOptions

        from app.control.connections import Adapter, certificates

        assert self.credentials is not None  # noqa: S101 - Control refuses before
        token = self.credentials.current
        try:
            return self._idle.get_nowait()
        except Empty:
            auth = Auth()
            auth.create_jwt_auth_string = lambda: f"Bearer {token()}"  # a token that is used more than once
            client = HttpClient(auth, HttpClientOptions(**NO_REPEAT))
            if self._certificates is None:
                self._certificates = certificates()
            client._session.mount("https://", Adapter(self._certificates))  # noqa: SLF001 - it has no option for it
            return client

    def _give_back(self, client: HttpClient) -> None:
        if not self._idle.full():
            self._idle.put_nowait(client)


def _json(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return {}


def _date(response: Any) -> datetime | None:
    """The time in its header `Date`: https://www.rfc-editor.org/rfc/rfc9110#field.date"""
    try:
        return parsedate_to_datetime(response.headers["Date"]).astimezone(UTC)
    except (KeyError, TypeError, ValueError):
        return None


def _within(seconds: float, send: Callable[[], Response]) -> Response:
    """What *send* returns, after *seconds* at most: its own time limits are for each piece that it reads."""
    outcome: SimpleQueue[Response | Exception] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put(send())
        except Exception as error:  # noqa: BLE001 - raised below
            outcome.put(error)

    threading.Thread(target=run, name="vonage", daemon=True).start()
    try:
        found = outcome.get(timeout=seconds + 0.2)
    except Empty:
        raise LateReply("no response within a few seconds") from None
    if isinstance(found, Exception):
        raise found
    return found
