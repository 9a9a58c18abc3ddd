"""The short way of nearly all webhooks: events and answers by POST, past what Flask does for other requests.

Flask's contexts, hooks and proxies took three tenths of the processor time of an event (docs/performance.md). What is
done is the same (`replies.py`), and so are limits, log line and metrics. All other requests take Flask's way, and so
does every error, for its response is made there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from flask import Flask

from app.services import Services, services
from app.web import metrics
from app.web.limits import Limits
from app.web.logs import RequestLog
from app.webhooks.intake import Webhook
from app.webhooks.replies import give_answer, receive, take_event
from config import short_way

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

EMPTY: Final = [("Content-Length", "0")]  # no content type: "no NCCO, go on"
ROUTES: Final[dict[str, tuple[str, Callable[[Webhook, Services], bytes | None]]]] = {
    "/voice/event": ("voice.event", take_event),
    "/voice/answer": ("voice.answer", give_answer),
}


class Front:
    """A WSGI app in front of *app*, with the log and the limits of its requests."""

    def __init__(self, app: Flask, log: RequestLog, limits: Limits) -> None:
        self._app, self._wsgi_app, self._services = app, app.wsgi_app, services(app)
        self._log, self._limits = log, limits

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Take a request."""
        route = ROUTES.get(environ["PATH_INFO"])
        if route is None or environ["REQUEST_METHOD"] != "POST":
            return self._wsgi_app(environ, start_response)
        endpoint, reply = route
        self._log.begin()
        try:
            self._limits.begin(environ)
            try:
                webhook = receive(
                    "POST",
                    environ.get("HTTP_AUTHORIZATION"),
                    environ["wsgi.input"].read(),
                    environ.get("QUERY_STRING", "").encode("latin1"),
                    self._services,
                    is_answer=reply is give_answer,
                )
                body = reply(webhook, self._services)
            finally:
                self._limits.end()
        except Exception as error:  # noqa: BLE001 - it becomes a response
            return self._refused(error, environ, start_response)
        self._log.end("POST", environ["PATH_INFO"], 200)
        metrics.replied(endpoint)
        if body is None:
            start_response("200 OK", EMPTY)
            return ()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return (body,)

    def _refused(self, error: Exception, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """The response to *error*, as Flask makes it."""
        app = self._app
        with app.request_context(environ):
            response = app.process_response(app.make_response(app.handle_user_exception(error)))
            return response(environ, start_response)


def install(app: Flask, log: RequestLog, limits: Limits) -> None:
    """Let the webhooks of *app* take the short way."""
    app.wsgi_app = Front(app, log, limits)  # type: ignore[method-assign]
    short_way.PATHS.update(ROUTES)  # through gunicorn, too
