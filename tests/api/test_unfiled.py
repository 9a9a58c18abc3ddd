"""The webhooks that belong to no conversation: read by operators, newest first."""

from __future__ import annotations

from datetime import timedelta

from tests.api.site import LIST, OPERATOR, VIEWER, Site, is_problem
from tests.generated import BASE

UNFILED = "/api/v1/unfiled"


def test_operators_read_them_newest_first(site: Site) -> None:
    assert site.read(UNFILED, token=OPERATOR) == {"items": [], "next": None}
    for number, (text, why) in enumerate([(b'{"from":"447700900123"}', "no conversation"), (b"\xff{", "bad body: x")]):
        site.store.unfile(text, why, BASE + timedelta(seconds=number))
    assert site.read(UNFILED, token=OPERATOR)["items"] == [
        {"received_at": "2126-11-20T12:00:01.000Z", "why": "bad body: x", "text": "\ufffd{"},
        {"received_at": "2126-11-20T12:00:00.000Z", "why": "no conversation", "text": '{"from":"447700900123"}'},
    ]


def test_they_are_read_page_by_page(site: Site) -> None:
    for number in range(7):
        site.store.unfile(f'{{"n":{number}}}'.encode(), "no conversation", BASE)
    texts, query = [], {"limit": "3", "cursor": ""}
    while True:
        page = site.read(UNFILED, token=OPERATOR, **query)
        texts += [item["text"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert texts == [f'{{"n":{number}}}' for number in reversed(range(7))]
    is_problem(site.get(UNFILED, token=OPERATOR, cursor="x"), 422)
    is_problem(site.get(LIST, cursor=query["cursor"]), 422)


def test_nobody_else_reads_them(site: Site) -> None:
    """Nobody knows where in them numbers are, so that none could be masked."""
    is_problem(site.get(UNFILED, token=VIEWER), 403)
    is_problem(site.get(UNFILED, token=None), 401)
