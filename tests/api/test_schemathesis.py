"""The description tells the truth: schemathesis sends what it describes, and what it does not."""

from __future__ import annotations

from collections.abc import Iterator
from zoneinfo import available_timezones

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import characters, sampled_from, text
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import positive_data_acceptance
from schemathesis.specs.openapi.schemas import OpenApiSchema

from tests.api.site import OPERATOR, SAMPLE, VIEWER, Site
from tests.api.test_description import DESCRIBED
from tests.engines import Engine

schemathesis.openapi.format("time-zone", sampled_from(sorted(available_timezones() - {"localtime"})))
# A name that is shown, and the address of a picture: what else may be in them is tested in test_users, test_sessions.
LETTERS = characters(max_codepoint=127, categories=["L", "N", "P"], exclude_characters="/")
schemathesis.openapi.format("name", text(LETTERS, min_size=1, max_size=60))
schemathesis.openapi.format("web-address", sampled_from(["https://example.com/ada.png", "http://example.com/?a=1"]))
# Streams never end: tests/e2e/test_stream.py and test_user_stream.py read them. A number in a path has no
# pattern that schemathesis knows.
STREAMS = {("get", "/api/v1/stream"), ("get", "/api/v1/users/{name}/stream")}
APART = {*STREAMS, *((method, "/api/v1/names/{number}") for method in ("get", "put", "delete"))}
ACTING = tuple(
    f"/api/v1/{path}"
    for path in (
        *("calls", "legs", "transfers", "conferences", "conversations"),
        *("users/{name}/sessions", "users/{name}/calls", "users/{name}/conferences", "users/{name}/transfers"),
        "users/{name}/token",
    )
)
EXAMPLES = 10  # of each operation, right ones and wrong ones each


@pytest.fixture(scope="module")
def schema(valkey: Engine) -> Iterator[OpenApiSchema]:
    """The description as it is served, over the app itself, with a published call in the store."""
    valkey.flush()
    site = Site(valkey.address.url)
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    yield schemathesis.openapi.from_wsgi("/openapi.json", site.app, headers={"Authorization": f"Bearer {VIEWER}"})
    site.close()


@pytest.mark.parametrize(("method", "path"), sorted(set(DESCRIBED) - APART))
def test_all_that_is_described_is_true(schema: OpenApiSchema, method: str, path: str) -> None:
    """All checks of schemathesis: statuses, content types, schemas, wrong arguments refused, no token refused."""
    operation = schema[path][method]
    hold(operation, GenerationMode.POSITIVE)
    if operation.query:  # else nothing could be wrong: any text is an id
        hold(operation, GenerationMode.NEGATIVE)


def hold(operation: APIOperation, mode: GenerationMode) -> None:
    """Send right requests, or wrong ones, as a viewer and as an operator, and check the responses.

    To make a request takes longer than to send it to both.
    """

    excluded: list[CheckFunction] = []
    if operation.method == "post" and operation.path.startswith(ACTING):
        # This app has no key of Vonage's: what acts is refused with 503, and so are tokens for the SDK. An NCCO, or one
        # of two arguments, is more than a description can say. tests/control is about the rest.
        excluded = [not_a_server_error, positive_data_acceptance]

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE:
            case.query.pop("cursor", None)  # only the page before knows one that is right
        for token in (VIEWER, OPERATOR):
            case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, excluded_checks=excluded)

    holds()
