"""The HTTP API for programs: conversations, legs, flows, status, health, and its OpenAPI description."""

from __future__ import annotations

from flask import Blueprint, Flask


def install(app: Flask) -> None:
    """Add the API to *app*."""
    from app.api.blueprints import CONVERTERS, described
    from app.api.describe import describe
    from app.api.metrics import metrics

    app.url_map.converters.update(CONVERTERS)
    blueprints: tuple[Blueprint, ...] = (*described(), describe, metrics)
    for blueprint in blueprints:
        app.register_blueprint(blueprint)
