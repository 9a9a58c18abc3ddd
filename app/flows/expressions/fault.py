"""What is said to authors of flows of an expression that is none."""

from __future__ import annotations

from jinja2 import TemplateSyntaxError


class ExpressionFault(Exception):
    """An expression that is none, or asks for what there is not. The text says what is wrong, for authors of flows."""


def only_expressions() -> ExpressionFault:
    """What is raised for anything else of Jinja than expressions."""
    return ExpressionFault(
        "only expressions, {{ … }}, are taken: no statements, {% … %}, and no comments, {# … #};"
        " a choice is written {{ a if b else c }}"
    )


def in_plain_words(error: TemplateSyntaxError) -> str:
    """What Jinja says of it, without the names that only Jinja has for things."""
    message = (error.message or "it cannot be read").rstrip(".")
    if message == "Expected an expression, got 'end of print statement'":
        return "an expression is not complete: something is missing in front of its }}"
    if "end of template" in message:
        return "a {{ has no }} behind it"
    message = message.replace("token 'end of print statement'", "}}").replace("'end of print statement'", "}}")
    return f"is no expression: {message}"


def short(text: str) -> str:
    """*text*, with 60 characters at most."""
    return text if len(text) <= 60 else text[:59] + "…"
