"""In front of the app: the platform's proxies, caches, and websites whose scripts call the API."""

from __future__ import annotations

import re

from flask import Flask, Response, request

from config.settings import Settings

# JSON is no page: a browser that shows it loads nothing that it names. Pages have a policy of their own.
NOTHING = "default-src 'none'; frame-ancestors 'none'"


def install(app: Flask, settings: Settings) -> None:
    """Trust as many proxies as TRUSTED_PROXIES says, and allow the scripts of CORS_ORIGINS.

    Nothing is cached, framed or taken for a page, unless the response says otherwise itself.
    """

    @app.after_request
    def keep_nothing(response: Response) -> Response:
        if not request.path.startswith("/voice/"):  # Vonage caches nothing, and is to be answered soon
            response.headers.setdefault("Cache-Control", "no-store")
            response.headers["X-Content-Type-Options"] = "nosniff"
            response.headers.setdefault("X-Frame-Options", "DENY")
            response.headers.setdefault("Content-Security-Policy", NOTHING)
        return response

    if settings.trusted_proxies:
        from werkzeug.middleware.proxy_fix import ProxyFix

        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    if settings.cors_origins:
        from flask_cors import CORS

        resources: list[str | re.Pattern[str]] = [r"/api/.*", "/status", "/openapi.json"]
        headers = ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"]
        # Patterns of our own: flask-cors would read an origin with a "*" in it as a pattern that allows other sites.
        origins = [re.compile(re.escape(origin) + r"\Z", re.IGNORECASE) for origin in settings.cors_origins]
        CORS(app, resources=resources, origins=origins, allow_headers=headers, expose_headers=["Retry-After"])
    app.config.update(
        SESSION_COOKIE_NAME="switchhook",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=bool(settings.public_url and settings.public_url.startswith("https:")),
    )
