"""The parts of the pages, and how they show moments, durations, money and numbers, in both languages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flask import render_template_string, session

from app.pages import formats
from app.pages.states import LOOKS
from tests.api.site import Site
from tests.pages.browsing import Page

AT = "2021-03-29T21:20:05.582Z"


def shown(site: Site, template: str, language: str = "en", **values: Any) -> str:
    """*template* with the components as `ui`."""
    with site.app.test_request_context("/", headers={"Accept-Language": language}):
        return render_template_string("{% import 'components.html' as ui with context %}" + template, **values)


@pytest.mark.parametrize(
    ("filter_", "values", "english", "french"),
    [
        ("moment", (AT,), "29 Mar 2021, 21:20:05", "29 mars 2021, 21:20:05"),
        ("moment", (AT, "full"), "29 Mar 2021, 21:20:05", "29 mars 2021, 21:20:05"),
        ("moment", (AT, "clock"), "21:20:05", "21:20:05"),
        ("moment", (AT, "day"), "29 Mar 2021", "29 mars 2021"),
        ("duration", (0,), "0:00", "0:00"),
        ("duration", (11.992,), "0:12", "0:12"),
        ("duration", (4000,), "1:06:40", "1:06:40"),
        ("duration_words", (11.992,), "12.0 s", "12,0 s"),
        ("duration_words", (3600,), "1 hr", "1 h"),
        ("duration_words", (4000,), "1 hr 6 mins 40 secs", "1 h 6 min 40 s"),
        ("money", ("0.00144000", "EUR"), "< €0.01", "< 0,01 €"),
        ("money", ("0", "EUR"), "€0.00", "0,00 €"),
        ("money", ("0.006", "EUR"), "€0.01", "0,01 €"),
        ("money", ("1234.5", "EUR"), "€1,234.50", "1 234,50 €"),
        ("money", ("a lot", "EUR"), "a lot EUR", "a lot EUR"),
        ("number", (12345,), "12,345", "12 345"),
        ("percent", (0.934,), "93.4%", "93,4 %"),
        ("percent", (1,), "100%", "100 %"),
    ],
)
def test_formats_are_those_of_the_language(
    site: Site, filter_: str, values: tuple[Any, ...], english: str, french: str
) -> None:
    for language, wanted in (("en", english), ("fr", french)):
        with site.app.test_request_context("/", headers={"Accept-Language": language}):
            text = getattr(formats, filter_)(*values)
        assert text.replace("\u202f", " ").replace("\xa0", " ") == wanted


def test_a_moment_of_today_is_its_time(site: Site) -> None:
    now = datetime.now(UTC)
    with site.app.test_request_context("/"):
        assert formats.moment(now.isoformat()) in (f"{now:%H:%M:%S}", f"{now.day} {now:%b}, {now:%H:%M:%S}")


def test_a_moment_of_this_year_is_shown_without_the_year(site: Site) -> None:
    now = datetime.now(UTC)
    other = datetime(now.year, 7 if now.month == 6 else 6, 1, 12, tzinfo=UTC)
    with site.app.test_request_context("/"):
        assert formats.moment(other.isoformat()) == f"1 {other:%b}, 12:00:00"


def test_every_state_has_a_word_a_sign_and_one_of_few_colours(site: Site) -> None:
    for state, look in LOOKS.items():
        for language in ("en", "fr"):
            html = shown(site, "{{ ui.badge(state) }}", language, state=state)
            page = Page(html)
            assert "".join(page.text).strip(), state
            assert "path" in html or "circle" in html, f"{state} has a sign: {look.icon}"
            assert f'data-state="{state}"' in html


def test_a_state_that_is_not_known_is_shown_as_it_is(site: Site) -> None:
    assert "&lt;b&gt;odd" in shown(site, "{{ ui.badge(state) }}", state="<b>odd")


def test_a_party_with_a_name_has_both_and_neither_is_markup(site: Site) -> None:
    html = shown(site, "{{ ui.party(number, name) }}", number="<i>1", name="<b>Ada")
    assert '<bdi class="name">&lt;b&gt;Ada</bdi> <bdi class="number">&lt;i&gt;1</bdi>' in html
    assert "inconnu" in shown(site, "{{ ui.party(none) }}", "fr")


def test_money_and_durations_are_exact_on_hover(site: Site) -> None:
    assert 'title="0.00144000 EUR"' in shown(site, "{{ ui.money('0.00144000') }}")
    assert 'title="12.0 s"' in shown(site, "{{ ui.duration(11.992) }}")
    for nothing in ("{{ ui.money(none) }}", "{{ ui.duration(none) }}", "{{ ui.time(none) }}"):
        assert "".join(Page(shown(site, nothing)).text) == "–"


def test_a_timer_and_a_moment_carry_what_scripts_need(site: Site) -> None:
    assert f'data-since="{AT}">0:12<' in shown(site, "{{ ui.timer(at, 12) }}", at=AT)
    assert f'<time datetime="{AT}" data-style="clock"' in shown(site, "{{ ui.time(at, 'clock') }}", at=AT)


def test_a_form_of_filters_keeps_what_was_chosen_and_says_what_is_wrong(site: Site) -> None:
    html = shown(
        site,
        "{% call ui.filters('/calls') %}{{ ui.field('number', 'Number', '<7', error='No number.') }}"
        "{{ ui.choice('state', 'State', [('', 'any'), ('live', 'live')], 'live') }}{% endcall %}",
    )
    page = Page(html)
    assert page.values("form", "method") == ["get"]
    assert page.values("label", "for") == page.values("input", "id") + page.values("select", "id")
    assert page.values("input", "value") == ["<7"]
    assert page.values("input", "aria-describedby") == page.values("p", "id")
    assert [each for tag, each in page.elements if tag == "option" and "selected" in each] == [
        {"value": "live", "selected": None}
    ]


def test_a_pager_leads_where_there_is_more(site: Site) -> None:
    assert shown(site, "{{ ui.pager() }}").strip() == ""
    page = Page(shown(site, "{{ ui.pager(first='/a', next='/b?c=1&d=2') }}"))
    assert page.values("a", "href") == ["/a", "/b?c=1&d=2"]


def test_a_form_that_is_posted_has_the_csrf_token(site: Site) -> None:
    template = "{% import 'components.html' as ui with context %}{{ ui.csrf() }}"
    with site.app.test_request_context("/"):
        assert "csrf_token" not in render_template_string(template)
        session["id"] = "x"
        assert 'name="csrf_token"' in render_template_string(template)
