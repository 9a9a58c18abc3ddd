"""Faults of expressions, in words for authors of flows."""

from __future__ import annotations

from jinja2 import TemplateSyntaxError


class ExpressionFault(Exception):
    """A text is no expression, or uses what there is not. The text says what is wrong."""


def only_expressions() -> ExpressionFault:
    """The fault for parts of Jinja other than expressions."""
    return ExpressionFault(
        "only expressions, {{ … }}, can be used: no statements, {% … %}, and no comments, {# … #};"
        " a choice is written {{ a if b else c }}"
    )


def in_plain_words(error: TemplateSyntaxError) -> str:
    """Jinja's message, without names that only Jinja has for things."""
    message = (error.message or "it cannot be read").rstrip(".")
    if message == "Expected an expression, got 'end of print statement'":
        return "an expression is not complete: something is missing in front of its }}"
    if "end of template" in message:
        return "a {{ has no }} after it"
    message = message.replace("token 'end of print statement'", "}}").replace("'end of print statement'", "}}")
    return f"is no expression: {message}"


def short(text: str) -> str:
    """*text*, with 60 characters at most."""
    return text if len(text) <= 60 else text[:59] + "…"
