"""The pages for people: who gets in, what they see, and that nothing anybody sent becomes a part of the page."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from werkzeug.test import TestResponse

from app.auth import guessing
from app.auth.guessing import FROM_ONE
from app.auth.sessions import ID
from app.services import Services
from app.store.errors import TooMuchAtOnce
from tests.api.site import BROWSER, LIST, OPERATOR, SAMPLE, VIEWER, Site, is_problem, log_out, status
from tests.engines import Engine, wait_until
from tests.generated import BASE, iso
from tests.pages.browsing import Page, logged_in

FORGED = ("", "nobody-of-the-board", VIEWER[:-1], f"viewer:{VIEWER}", f"{VIEWER},{OPERATOR}", "Zoë", "\x00", "x" * 5000)


def board_of(site: Site) -> TestResponse:
    """The board, once it can be read: a busy machine may leave no time for it."""
    browser = logged_in(site)
    boards: list[TestResponse] = []

    def is_shown() -> bool:
        boards.append(browser.get("/"))
        return boards[-1].status_code == 200

    wait_until(is_shown, "the board is shown")
    return boards[-1]


def cookie_of(response: Any) -> dict[str, str | bool]:
    """The cookie that *response* sets: its attributes by name, in lower case; empty if it sets none."""
    (text,) = response.headers.getlist("Set-Cookie") or [""]
    pairs = (part.strip().partition("=") for part in text.split(";") if part.strip())
    return {name.lower(): value if sign else True for name, sign, value in pairs}


# -- getting in -------------------------------------------------------------------------------------------------------


def test_the_board_needs_a_login(site: Site) -> None:
    for browser in (site.browser(), logged_in(site)):
        log_out(browser)
        response = browser.get("/")
        assert (response.status_code, response.headers["Location"]) == (302, "/login")
        assert "Live calls" not in response.text
    page = Page(site.browser().get("/login").text)
    assert page.values("form", "action") == ["/language", "/login"]
    assert page.values("input", "type") == ["hidden", "password"]


@pytest.mark.parametrize("token", [VIEWER, OPERATOR, f"  {VIEWER}\n"])
def test_a_token_is_exchanged_for_a_cookie(site: Site, token: str) -> None:
    browser = site.browser()
    response = browser.post("/login", data={"token": token})
    assert (response.status_code, response.headers["Location"]) == (302, "/")
    cookie = cookie_of(response)
    assert token.strip() not in str(cookie["switchhook"])
    assert "Live calls" in browser.get("/").text


@pytest.mark.parametrize("token", FORGED)
def test_any_other_token_is_refused(site: Site, token: str) -> None:
    browser = site.browser()
    response = browser.post("/login", data={"token": token})
    assert response.status_code == 401
    assert cookie_of(response) == {}
    assert "No such token" in response.text
    assert not token or token not in response.text, "what was typed is not shown again"
    assert browser.get("/").status_code == 302


def test_a_login_without_a_token_is_a_wrong_one(site: Site) -> None:
    for sent in ({}, {"data": {"Token": VIEWER}}, {"json": {"token": VIEWER}}, {"query_string": {"token": VIEWER}}):
        response = site.browser().post("/login", **sent)
        assert response.status_code == 401
        assert cookie_of(response) == {}


def test_a_wrong_token_does_not_log_out(site: Site) -> None:
    browser = logged_in(site)
    assert browser.post("/login", data={"token": "wrong"}).status_code == 401
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["/calls?outcome=answered&number=%2B44", "/calls/a/b%3F100%25", "/figures?period=week"]
)
def test_a_login_leads_to_the_page_that_was_wanted(site: Site, wanted: str) -> None:
    browser = site.browser()
    refused = browser.get(wanted, headers=BROWSER)
    assert refused.status_code == 401
    (link,) = (link for link in Page(refused.text).values("a", "href") if link.startswith("/login"))
    form = Page(browser.get(link).text)
    (hidden,) = (each["value"] for name, each in form.elements if name == "input" and each.get("name") == "next")
    assert hidden == wanted
    again = browser.post("/login", data={"token": "wrong", "next": hidden})
    assert again.status_code == 401
    assert wanted in Page(again.text).values("input", "value"), "after a wrong token, too"
    response = browser.post("/login", data={"token": VIEWER, "next": hidden})
    assert (response.status_code, response.headers["Location"]) == (302, wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        *("https://evil.example/", "https:evil.example", "//evil.example", "///evil.example", "/\\evil.example"),
        *("\\\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n/evil.example", "\t//evil.example"),
        *(" //evil.example", "\x00//evil.example", "/calls\r\nSet-Cookie: a=b", "/\x7f/evil.example", "/calls\x85"),
        *("javascript:alert(1)", "data:text/html,x", "evil.example", "calls", "@evil.example", "http://[evil", ""),
    ],
)
def test_a_login_leads_to_no_other_site(site: Site, wanted: str) -> None:
    response = site.browser().post("/login", data={"token": VIEWER, "next": wanted})
    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert len(response.headers.getlist("Set-Cookie")) == 1


def test_what_a_link_to_the_login_names_is_text(site: Site) -> None:
    sent = '"><script>alert(1)</script>'
    text = site.browser().get("/login", query_string={"next": sent}).text
    assert "<script>alert" not in text
    assert sent in Page(text).values("input", "value")


@pytest.mark.parametrize("where", ["cross-site", "same-site", "Cross-Site", "elsewhere", ""])
def test_another_sites_form_does_not_log_in(site: Site, where: str) -> None:
    """Else people could be logged in as somebody else without noticing."""
    response = site.browser().post("/login", data={"token": VIEWER}, headers={"Sec-Fetch-Site": where})
    is_problem(response, 403)
    assert cookie_of(response) == {}


@pytest.mark.parametrize("where", ["same-origin", "none"])
def test_the_own_form_logs_in(site: Site, where: str) -> None:
    response = site.browser().post("/login", data={"token": VIEWER}, headers={"Sec-Fetch-Site": where})
    assert response.status_code == 302


@pytest.mark.parametrize(
    ("origin", "code"),
    [
        *(
            ("http://localhost", 302),
            ("https://calls.example.com", 302),
            ("https://calls.example.com.evil.example", 403),
        ),
        *(("https://evil.example", 403), ("null", 403), ("", 403), (None, 403), ("http://localhost:81", 403)),
    ],
)
def test_without_sec_fetch_site_the_origin_decides(production: Site, origin: str | None, code: int) -> None:
    """Browsers leave it out where a page came over plain http from another machine; nobody else may."""
    headers = {} if origin is None else {"Origin": origin}
    client = production.app.test_client()
    assert client.post("/login", data={"token": VIEWER}, headers=headers).status_code == code


def test_guessing_from_one_address_is_slowed_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_017.0
    monkeypatch.setattr(time, "time", lambda: now)

    def attempt(token: str, address: str) -> int:
        return site.browser().post("/login", data={"token": token}, environ_base={"REMOTE_ADDR": address}).status_code

    for _ in range(FROM_ONE + 5):
        assert attempt(VIEWER, "2001:db8::1") == 302, "those who know a token do not guess"
    assert [attempt("wrong", "2001:db8::1") for _ in range(FROM_ONE + 2)] == [401] * FROM_ONE + [429] * 2
    assert attempt("wrong", "2001:db8::2") == 429, "a household has more addresses than there are tokens"
    assert attempt(VIEWER, "2001:db8::1") == 429, "a right one is not looked at"
    assert attempt(VIEWER, "192.0.2.1") == 302
    refused = site.browser().post("/login", data={"token": VIEWER}, environ_base={"REMOTE_ADDR": "2001:db8::1"})
    assert refused.headers["Retry-After"] == "43"
    assert "Try again in 43 s" in refused.text
    now += 43
    assert attempt(VIEWER, "2001:db8::1") == 302


def test_guessing_from_everywhere_is_slowed_down(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guessing, "FROM_ALL", 5)
    monkeypatch.setattr(time, "time", lambda: 1_800_000_000.0)
    inside = logged_in(site)
    codes = [
        site.browser().post("/login", data={"token": "x"}, environ_base={"REMOTE_ADDR": f"192.0.2.{n}"}).status_code
        for n in range(7)
    ]
    assert codes == [401] * 5 + [429] * 2
    assert inside.get("/").status_code == 200
    assert site.get("/status").status_code == 200


def test_what_is_kept_of_logins_opens_nothing_and_names_nobody(site: Site, valkey: Engine) -> None:
    browser = logged_in(site)
    browser.post("/login", data={"token": "wrong"}, environ_base={"REMOTE_ADDR": "192.0.2.1"})
    with browser.session_transaction() as cookie:
        name = cookie[ID]
    kept = b" ".join(valkey.everything())
    for secret in (name, VIEWER, "192.0.2.1", "wrong"):
        assert secret.encode() not in kept
    assert b"switchhook:session:" in kept


def test_logging_out_ends_the_session_everywhere(site: Site) -> None:
    browser = logged_in(site)
    cookie = browser.get_cookie("switchhook")
    assert cookie is not None
    copy = site.browser()
    copy.set_cookie("switchhook", cookie.value)
    other = logged_in(site)
    assert copy.get("/").status_code == 200
    log_out(browser)
    assert copy.get("/").status_code == 302
    assert copy.get("/status").status_code == 401
    assert other.get("/").status_code == 200, "another session with the same token goes on"


def test_logging_out_ends_the_session(site: Site) -> None:
    browser = logged_in(site)
    response = log_out(browser)
    assert (response.status_code, response.headers["Location"]) == (302, "/login")
    assert browser.get("/").status_code == 302
    assert browser.get("/status").status_code == 401
    for method in ("GET", "HEAD"):
        is_a_problem = browser.open("/logout", method=method)
        assert is_a_problem.status_code == 405, "a link or an image must not log anybody out"


def test_in_development_a_token_in_the_address_becomes_a_cookie_at_once(site: Site) -> None:
    """The line that `make run` prints can be clicked; the address bar and the history do not keep the token."""
    browser = site.browser()
    response = browser.get(f"/?token={OPERATOR}")
    assert (response.status_code, response.headers["Location"]) == (302, "/")
    assert OPERATOR not in response.text
    assert browser.get("/").status_code == 200
    assert OPERATOR not in browser.get("/").text


def test_a_wrong_token_in_the_address_leads_to_the_login(site: Site) -> None:
    for token in FORGED[:3]:
        response = site.browser().get("/", query_string={"token": token})
        assert (response.status_code, response.headers["Location"]) == (302, "/login?wrong=1")
        assert cookie_of(response) == {}
        assert "No such token" in site.browser().get(response.headers["Location"]).text


def test_in_production_a_token_in_the_address_is_ignored(production: Site) -> None:
    """Addresses end up in logs, histories and Referer headers."""
    browser = production.browser()
    response = browser.get(f"/?token={OPERATOR}")
    assert (response.status_code, response.headers["Location"]) == (302, "/login")
    assert cookie_of(response) == {}
    assert browser.get("/").status_code == 302
    inside = logged_in(production)
    assert inside.get(f"/?token={OPERATOR}").headers["Location"] == "/login", "also with a valid cookie"


@pytest.mark.parametrize("path", ["/login", "/docs", "/status", LIST, "/healthz"])
def test_a_token_in_any_other_address_is_ignored(site: Site, path: str) -> None:
    browser = site.browser()
    response = browser.get(f"{path}?token={OPERATOR}")
    assert cookie_of(response) == {}
    assert browser.get("/").status_code == 302


def test_the_cookie_is_for_this_site_and_no_script(open_site: Callable[..., Site], production: Site) -> None:
    plain = cookie_of(open_site(public_url="http://calls.example.com").browser().post("/login", data={"token": VIEWER}))
    behind_tls = cookie_of(production.browser().post("/login", data={"token": VIEWER}))
    for cookie in (plain, behind_tls):
        assert cookie["httponly"] is True
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert "domain" not in cookie
    assert "secure" not in plain
    assert behind_tls["secure"] is True


def test_who_is_not_logged_in_gets_no_cookie(site: Site) -> None:
    for path in ("/", "/login", "/docs", "/status", "/healthz", "/nowhere"):
        assert cookie_of(site.browser().get(path)) == {}
    assert cookie_of(site.browser().post("/logout")) == {}


@pytest.mark.parametrize("path", ["/", "/login", "/docs"])
def test_a_page_loads_nothing_from_elsewhere_and_is_not_cached(site: Site, path: str) -> None:
    response = logged_in(site).get(path)
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    policy = response.headers["Content-Security-Policy"]
    for rule in ("default-src 'none'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    for rule in ("script-src 'self'", "style-src 'self'", "connect-src 'self'", "media-src 'self'"):
        assert rule in policy
    assert "unsafe" not in policy
    assert response.headers["Referrer-Policy"] == "same-origin"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    page = Page(response.text)
    targets = [value for tag, values in page.elements for name, value in values.items() if name in ("src", "href")]
    assert all(urlsplit(target or "").netloc == "" for target in targets)
    assert not [tag for tag, values in page.elements if tag == "style" or "style" in values]
    assert all((values["src"] or "").startswith("/static/") for tag, values in page.elements if tag == "script")
    assert not [name for _, values in page.elements for name in values if name.startswith("on")]


# -- what is shown ----------------------------------------------------------------------------------------------------


def test_an_empty_board_says_what_to_do(site: Site) -> None:
    assert "flask replay tests/samples/phone-to-app.events.jsonl" in logged_in(site).get("/").text


def test_the_board_shows_calls_as_they_are(site: Site) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        site.post(line)
    now = datetime.now(UTC)
    site.record(status("ringing", "CON-live", from_="Bob", to="Carol"), received=now)
    site.record({"conversation_uuid": "CON-live", "reason": "Syntax error in NCCO."}, received=now)
    site.record(status("answered", "CON-silent", "s", from_="Dave"), received=now - timedelta(hours=5))
    site.record({"conversation_uuid": "CON-bare", "payload": {}}, received=now)
    move = {"type": "transfer", "conversation_uuid_from": "CON-a", "conversation_uuid_to": "CON-b", "uuid": "moved"}
    site.record(status("answered", "CON-a", "moved", from_="Erin"), move | {"timestamp": iso(BASE)}, received=now)
    long = status("completed", "CON-long", from_="Frank", timestamp=iso(BASE + timedelta(minutes=66, seconds=40)))
    site.record(status("started", "CON-long", timestamp=iso(BASE)), long, received=now)
    page = Page(logged_in(site, OPERATOR).get("/").text)
    text = " ".join(" ".join(page.text).split())
    for seen in (
        *("answered 441234567890 442038297050 Alice answered", "0:12", "Bob Carol", "presumed ended"),
        *("Syntax error in NCCO.", "waiting", "Erin unknown", "1:06:40"),
    ):
        assert seen in text
    assert {"12.0 s", "1 hr 6 mins 40 secs"} <= set(page.values("span", "title")), "exactly, on hover"
    assert [text.index(head) for head in ("Live calls", "Ended lately", "Presumed ended")] == sorted(
        text.index(head) for head in ("Live calls", "Ended lately", "Presumed ended")
    )
    for token in (OPERATOR, VIEWER):
        browser = logged_in(site, token)
        links = {link for link in Page(browser.get("/").text).values("a", "href") if link[0] != "#"}
        replies = {link: browser.get(link).status_code for link in links}
        assert set(replies.values()) == {200}, f"every link leads somewhere: {replies}"


NAMES = [
    *("<script>alert(1)</script>", "</td><img src=x onerror=alert(1)>", "\"'><svg onload=alert(1)>", "' onclick='x"),
    *(
        "{{ 7 * 7 }}",
        "{% raw %}",
        "&lt;b&gt;",
        "<!--",
        "]]>",
        "</style><script>",
        "javascript:alert(1)",
        "\x00",
        "a\nb",
    ),
    *("\u202egnp.exe", "a\u2028b", "Zoë 李 ☎️", "<b", "`", "${1}", "\ud800", "half \udc00 a pair"),
]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_webhook_holds_is_shown_as_text(site: Site, name: str) -> None:
    """A caller may have any name, an id any letters: on the page they are read, never run."""
    site.record(status("ringing", "CON-plain", "plain", from_="Bob", to="Carol"))
    site.record({"conversation_uuid": "CON-plain", "reason": "plain"})
    plain = Page(board_of(site).text)
    site.send("DELETE", f"{LIST}/CON-plain", token=OPERATOR)

    site.record(status("ringing", f"CON-{name}", name, from_=f"{name}x", to=f"{name}y"))
    site.record({"conversation_uuid": f"CON-{name}", "reason": f"{name}z"})
    page = Page(board_of(site).text)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements], "no element more, and none less"
    assert [set(attributes) for _, attributes in page.elements] == [set(attributes) for _, attributes in plain.elements]
    shown = "".join(page.text)
    for end in "xyz":
        assert f"{name}{end}".strip().encode(errors="replace").decode().replace("\x00", "\ufffd") in shown.replace(
            "\x00", "\ufffd"
        )
    link = next(link for link in page.values("a", "href") if re.match("(/api/v1)?/calls/", link))
    assert unquote(link.rpartition("/")[2]) == name.encode(errors="replace").decode()
    assert re.fullmatch(r"[\w/.~%-]+", link, re.ASCII), "nothing in it needs a browser's good will"
    if not re.search("[\ud800-\udfff]", name):  # addresses with half a pair in them are alike
        assert logged_in(site).get(link).status_code == 200


def test_a_viewers_board_shows_no_whole_number_and_an_operators_does(site: Site) -> None:
    site.record(status("ringing", "CON-1", from_="447700900123", to="sip:442079460000@example.com"))
    assert "********0123" in logged_in(site).get("/").text
    assert "447700900123" not in logged_in(site).get("/").text
    assert "442079460000" not in logged_in(site).get("/").text
    assert "447700900123" in logged_in(site, OPERATOR).get("/").text


def test_a_bearer_token_does_not_open_the_board(site: Site) -> None:
    """The page is for the cookie; a header beside it never shows more than the cookie may see."""
    site.record(status("ringing", "CON-1", from_="447700900123"))
    assert site.get("/", token=OPERATOR).status_code == 302
    browser = logged_in(site, OPERATOR)
    assert "447700900123" not in browser.get("/", headers={"Authorization": f"Bearer {VIEWER}"}).text
    assert "447700900123" not in browser.get("/", headers={"Authorization": "Basic eDp5"}).text


def test_browsers_get_errors_as_pages_and_programs_as_json(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = logged_in(site)
    monkeypatch.setattr(Services, "eviction", lambda _: 1 // 0)
    for browser, path, code, words in (
        *((site.browser(), path, 401, "not logged in") for path in (LIST, "/docs", "/status", f"{LIST}/CON-1")),
        *((inside, path, 404, "There is no such page") for path in ("/nowhere", "/<b>x</b>")),
        (inside, f"{LIST}/CON-1", 404, "No such conversation is stored"),
        (inside, f"{LIST}?limit=0", 422, "limit"),
        (inside, "/api/v1/flows", 403, "operator"),
        (inside, "/status", 500, "fault of this server"),
    ):
        shown = browser.get(path, headers=BROWSER)
        assert (shown.status_code, shown.content_type) == (code, "text/html; charset=utf-8")
        assert words in shown.text
        assert "Content-Security-Policy" in shown.headers
        assert Page(shown.text).values("a", "href"), "it leads somewhere"
        for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            is_problem(browser.get(path, headers=accept), code)
    assert site.browser().get("/docs", headers=BROWSER).headers["WWW-Authenticate"] == "Bearer"
    assert site.browser().post("/voice/event", data="{", headers=BROWSER).content_type == "application/problem+json"


def test_too_much_at_once_is_not_shown_as_an_outage(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise TooMuchAtOnce

    monkeypatch.setattr(Services, "eviction", refuse)
    shown = logged_in(site).get("/", headers=BROWSER)
    assert (shown.status_code, shown.headers["Retry-After"]) == (503, "1")
    assert "Too much is being read at once" in shown.text
    assert "Redis" not in shown.text


def test_warnings_stand_at_the_top_of_the_board(site: Site, production: Site) -> None:
    text = logged_in(site).get("/").text
    assert text.index("UNSIGNED WEBHOOKS ARE ACCEPTED") < text.index("Live calls")
    assert "UNSIGNED" not in logged_in(production).get("/").text


def test_the_board_counts_unfiled_webhooks_and_leads_operators_to_them(site: Site) -> None:
    words = "1 webhook is unfiled."
    assert words not in logged_in(site, OPERATOR).get("/").text
    site.store.unfile(b"{}", "no conversation", BASE)
    for token, leads in ((VIEWER, False), (OPERATOR, True)):
        text = logged_in(site, token).get("/").text
        assert words in text
        assert (f'<a href="/unfiled">{words}</a>' in text) is leads


# -- the flows --------------------------------------------------------------------------------------------------------


def flows_line(site: Site, token: str = VIEWER) -> str:
    """The line about the flows."""
    text = logged_in(site, token).get("/").text
    found = re.search(r"<p class=\"[\w ]+\">(Call flows: .*?)</p>", text, re.DOTALL)
    assert found
    return " ".join("".join(Page(found[1]).text).split())


def alarms(site: Site, token: str = VIEWER) -> list[str]:
    """The alarms at the top of the board, with their lines."""
    text = logged_in(site, token).get("/").text
    found = re.findall(r'<div class="notice alarm" role="alert">(.*?)</div>', text, re.DOTALL)
    return [" ".join(" ".join(Page(each).text).split()) for each in found]


def test_the_board_says_which_flows_run(site: Site) -> None:
    line = flows_line(site)
    shown = site.read("/api/v1/flows", token=OPERATOR)
    assert alarms(site) == []
    assert shown["version"] in line
    assert str(datetime.fromisoformat(shown["loaded_at"]).year) in line
    assert shown["loaded_at"][11:19] in line


def test_the_board_warns_once_the_last_resort_was_served(open_site: Callable[..., Site], tmp_path: Path) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text('routes: [{ to: "1", flow: a }]\nflows: { a: [{ action: talk, text: Hello. }] }\n')
    site = open_site(flows_file=file)
    for times in ("1 time", "2 times"):
        site.post({"conversation_uuid": "CON-1", "uuid": "leg", "to": "2"}, "/voice/answer")
        wait_until(lambda times=times: flows_line(site).endswith(f" {times}"), "it is counted")  # type: ignore[misc]


def test_the_board_warns_of_faults_and_shows_their_words_to_operators_only(
    open_site: Callable[..., Site], tmp_path: Path
) -> None:
    """The words of a fault quote the file, and that may hold a PIN."""
    file = tmp_path / "flows.yaml"
    names = ["<script>4711</script>", "b4712", "c4713", "d4714"]
    file.write_text(
        "routes:\n" + "".join(f'  - {{ to: "{name}", flow: "{name}" }}\n' for name in names) + "flows: {}\n"
    )
    site = open_site(flows_file=file)
    for token, words in ((VIEWER, False), (OPERATOR, True)):
        (line,) = alarms(site, token)
        assert line.startswith("NO CALL FLOW CAN BE USED: ")
        assert "none can be used, callers hear the last resort" in flows_line(site, token)
        assert "flows.yaml:2:" in line
        assert "flows.yaml:5:" not in line, "the first three are enough"
        assert str(tmp_path) not in line
        assert ("routes[0].flow: there is no flow <script>4711</script>" in line) is words
        assert ("471" in line) is words
    file.write_text("routes: [{ flow: a }]\nflows: { a: [{ action: talk, text: Hello. }] }\n")
    site.flows.reloader.refresh()
    assert alarms(site) == []
    file.write_text("routes: [{ flow: b }, { flow: c }]\nflows: { a: [{ action: talk, text: Hello. }] }\n")
    site.flows.reloader.refresh()
    count = len(site.read("/api/v1/flows", token=OPERATOR)["faults"])
    (line,) = alarms(site)
    assert line.startswith(f"The flows file has {count} faults: the flows stay as they were before.")


def test_an_error_is_shown_and_why_the_last_resort_was_served(site: Site) -> None:
    """https://developer.vonage.com/en/voice/voice-api/webhook-reference#error-event"""
    browser, call = site.browser(), {"uuid": "leg", "conversation_uuid": "CON-wrong", "from_user": "Bob", "to": "<Zoë>"}
    answered: Any = browser.post("/voice/answer", json=call).json
    assert answered[1]["endpoint"] == [{"type": "app", "user": "<Zoë>"}]
    browser.post("/voice/event", json={"reason": "Syntax error in NCCO.", "conversation_uuid": "CON-wrong"})
    assert "Syntax error in NCCO." in logged_in(site).get("/").text
    wait_until(lambda: "app-to-app" in logged_in(site).get("/").text, "the answer is recorded")
    browser.post("/voice/flows/gone/step", json={**call, "dtmf": {"digits": "1"}})
    wait_until(
        lambda: "the last resort was served: there is no flow gone" in logged_in(site).get("/").text, "it is shown"
    )
