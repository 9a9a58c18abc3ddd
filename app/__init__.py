"""Switchhook: the server behind a Vonage Voice application's webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from flask import Flask

from app.web.rules import LazyRule

if TYPE_CHECKING:
    from app.flows.flows import Flows
    from app.store.store import Store
    from config.settings import Settings


class Switchhook(Flask):
    """The app. None of its views and hooks is a coroutine, for which Flask checks half a dozen times a request."""

    # Templates are kept in a plain dict: pages are rendered in a native thread, where a lock of gevent's would not do.
    jinja_options: ClassVar[dict[str, Any]] = {"cache_size": -1}  # type: ignore[misc]
    url_rule_class = LazyRule

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """*func* as it is."""
        return func


def create_app(settings: Settings | None = None, *, store: Store | None = None, flows: Flows | None = None) -> Flask:
    """Build the app: settings, services, blueprints, errors. Its commands are added in wsgi.py.

    wsgi.py passes nothing; tests pass their own parts. Raises SettingsError, which names every wrong setting.
    """
    from app import api, errors, pages, services
    from app.auth.sessions import Sessions
    from app.web import limits, logs, metrics, proxies
    from app.webhooks import front
    from app.webhooks.views import voice
    from config.settings import load

    settings = settings or load()
    app = Switchhook(__name__, static_folder=None, template_folder="pages/templates")
    app.secret_key = settings.secret_key
    app.json.sort_keys = False  # type: ignore[attr-defined]  # the order of the contract reads better
    app.session_interface = Sessions()
    app.extensions["switchhook"] = services.build(settings, store=store, flows=flows)
    request_log = logs.install(app, settings.log_as)
    metrics.install(app)
    proxies.install(app, settings)
    request_limits = limits.install(app)
    app.register_blueprint(voice)
    api.install(app)
    pages.install(app)
    errors.install(app)  # last: flask-smorest has handlers of its own
    front.install(app, request_log, request_limits)
    return app
