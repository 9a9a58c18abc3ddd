"""A user's token: for that user's own sessions, and for nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from flask.testing import FlaskClient

from app.auth import tokens
from app.auth.access import still_may
from app.auth.tokens import short_lived_token
from app.store.errors import StoreUnavailable
from tests.api.site import BROWSER, LIST, OPERATOR, TOKENS, VIEWER, Site, csrf_token, is_problem, log_out
from tests.engines import wait_until

ALICE, BOB = "user-alice-of-the-app-1", "user-bob-of-the-app-1"
WITH_USERS = (*TOKENS, ("user/Alice", ALICE), ("user/Bob", BOB))
OWN = "/api/v1/users/Alice"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# What anybody reaches without any token: webhooks, health, assets, the login, the language.
OPEN = {"voice", "health", "static_files"}
OPEN_PAGES = {"pages.show_login", "pages.submit_login", "pages.submit_logout", "pages.switch_language"}
TO_THE_LOGIN = {"pages.board"}  # tells nobody anything but where to log in
OWN_PARTS = {
    *("sessions", "session_verbs", "user_operations", "user_stream", "user_calls", "user_tokens", "voicemails"),
    "screen_sharing",
}
PHONE = "phone_page"  # the page of whichever user has logged in: there is no name in its address


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """A site with tokens for two users."""
    return open_site(access_tokens=WITH_USERS)


def signed(site: Site, user: str = "Alice", seconds: float = 600) -> str:
    """A short-lived token."""
    with site.app.app_context():
        return short_lived_token(user, datetime.now(UTC) + timedelta(seconds=seconds))


def requests(site: Site, name: str) -> Iterator[tuple[str, str, str]]:
    """Every endpoint, with a method and an address; users in it are *name*."""
    for rule in site.app.url_map.iter_rules():
        path = re.sub("<.*?>", "x", str(rule).replace("<user:name>", name))
        for method in METHODS:
            if method in (rule.methods or ()):
                yield rule.endpoint, method, path


def is_open(endpoint: str) -> bool:
    return endpoint.partition(".")[0] in OPEN or endpoint in OPEN_PAGES


@pytest.mark.parametrize("short_lived", [False, True], ids=["of the settings", "short-lived"])
def test_every_route_but_the_users_own_refuses_a_user(site: Site, *, short_lived: bool) -> None:
    token = signed(site) if short_lived else ALICE
    allowed, refused = set(), set()
    for endpoint, method, path in requests(site, "Alice"):
        if is_open(endpoint):
            continue
        response = site.send(method, path, token=token)
        if endpoint in TO_THE_LOGIN:
            assert response.headers["Location"] == "/login"
        elif response.status_code != 403:
            allowed.add(endpoint)
        else:
            refused.add(endpoint)
            if method != "HEAD":
                assert "/api/v1/users/Alice/sessions" in is_problem(response, 403)["detail"]
    assert {endpoint.partition(".")[0] for endpoint in allowed} == {*OWN_PARTS, PHONE}
    assert {"users.list_users", "users.put_user", "users.delete_user"} <= refused
    assert {"calls.list_calls", "stream.follow", "pages.docs", "describe.openapi", "status.get_status"} <= refused
    assert not allowed & refused


def test_what_is_another_users_is_refused(site: Site) -> None:
    """The response is the same whether there is such a user or not."""
    problems: dict[str, set[str]] = {"viewer": set(), "operator": set()}  # whose token would do
    for name in ("Bob", "Nobody", "alice", "Alice%20", "Alice%00"):
        for endpoint, method, path in requests(site, name):
            if endpoint.startswith("sessions.") and method != "HEAD":
                response = site.send(method, path, token=ALICE, json={})
                problems["viewer" if method == "GET" else "operator"].add(is_problem(response, 403)["detail"])
    assert all(len(details) == 1 for details in problems.values())


def test_a_viewer_reads_what_users_have_and_acts_on_nothing(site: Site) -> None:
    for endpoint, method, path in requests(site, "Alice"):
        if endpoint.startswith(("sessions.", "users.")):
            response = site.send(method, path, token=VIEWER, json={})
            assert (response.status_code == 403) == (method not in ("GET", "HEAD")), (method, path)


def test_without_a_token_nothing_of_users_is_revealed(site: Site) -> None:
    for endpoint, method, path in requests(site, "Alice"):
        if endpoint.startswith(("sessions.", "users.")):
            assert site.send(method, path, token=None).status_code == 401


def test_a_name_with_blanks_and_letters_of_any_kind(open_site: Callable[..., Site]) -> None:
    site = open_site(access_tokens=(*TOKENS, ("user/Zoë 李", ALICE)))
    assert site.read("/api/v1/users/Zoë%20李", token=ALICE)["name"] == "Zoë 李"
    assert "/api/v1/users/Zo%C3%AB%20%E6%9D%8E/sessions" in is_problem(site.get(LIST, token=ALICE), 403)["detail"]


def test_an_operator_makes_a_token_that_expires(site: Site) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    response = site.send("POST", f"{OWN}/token", token=OPERATOR, json={"seconds": 90, "sdk": False})
    assert response.status_code == 201
    made: Any = response.json
    assert (made["sdk_token"], made["sdk_expires_at"]) == (None, None)
    assert made["sdk_url"].startswith("https://cdn.jsdelivr.net/npm/@vonage/client-sdk@2.3.1/")
    assert made["sdk_hash"].startswith("sha384-")
    expires = datetime.fromisoformat(made["expires_at"])
    assert timedelta(seconds=90) <= expires - before <= timedelta(seconds=100)
    assert site.read(OWN, token=made["token"])["name"] == "Alice"
    is_problem(site.get("/api/v1/users/Bob", token=made["token"]), 403)
    hour = site.send("POST", "/api/v1/users/Whoever/token", token=OPERATOR, json={"sdk": False})
    assert hour.status_code == 201, "the user need not be known"
    assert site.read("/api/v1/users/Whoever", token=hour.json["token"])["max_calls"] == 2  # type: ignore[index]


def test_a_user_renews_a_token_for_an_hour_at_most_and_a_short_lived_one_never(site: Site) -> None:
    """A token that leaks ends by itself, and a user whose entry in ACCESS_TOKENS is removed has an hour left."""
    before = datetime.now(UTC).replace(microsecond=0)

    def expires(token: str, seconds: int) -> datetime:
        made: Any = site.send("POST", f"{OWN}/token", token=token, json={"seconds": seconds, "sdk": False}).json
        return datetime.fromisoformat(made["expires_at"])

    assert timedelta(hours=1) <= expires(ALICE, 86_400) - before <= timedelta(hours=1, seconds=10)
    assert timedelta(seconds=60) <= expires(ALICE, 60) - before <= timedelta(seconds=70)
    short = signed(site, seconds=90)
    first: Any = site.send("POST", f"{OWN}/token", token=short, json={"seconds": 3600, "sdk": False}).json
    of_short = datetime.fromisoformat(first["expires_at"])
    assert timedelta(seconds=85) <= of_short - before <= timedelta(seconds=100)
    assert expires(first["token"], 3600) == of_short, "nor does what was made with it"


def test_without_credentials_there_is_no_token_for_the_sdk(site: Site) -> None:
    for token in (OPERATOR, ALICE):
        problem = is_problem(site.send("POST", f"{OWN}/token", token=token), 503)
        assert problem["settings"] == ["VONAGE_APPLICATION_ID", "VONAGE_PRIVATE_KEY"]
        assert problem["detail"] == "A phone needs VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY: set them."


def test_a_stream_goes_on_as_long_as_its_token_is_good(site: Site) -> None:
    def may_read(token: str) -> Callable[[], bool]:
        with site.app.test_request_context(f"{OWN}/stream", headers={"Authorization": f"Bearer {token}"}):
            return still_may("viewer", user="Alice")

    of_settings, expiring = may_read(ALICE), may_read(signed(site, seconds=3))
    assert expiring()
    wait_until(lambda: not expiring(), "the token has expired")
    assert of_settings()


@pytest.mark.parametrize("seconds", [59, 86_401, -1, "90", 90.5, None, True])
def test_how_long_a_token_lives_is_limited(site: Site, seconds: Any) -> None:
    response = site.send("POST", f"{OWN}/token", token=OPERATOR, json={"seconds": seconds})
    assert "seconds" in is_problem(response, 422)["errors"]


def test_who_may_make_a_token(site: Site) -> None:
    for token in (VIEWER, BOB, signed(site, "Bob")):
        is_problem(site.send("POST", f"{OWN}/token", token=token, json={"sdk": False}), 403)
    is_problem(site.send("POST", f"{OWN}/token", token=None, json={"sdk": False}), 401)
    for token in (OPERATOR, ALICE, signed(site)):
        assert site.send("POST", f"{OWN}/token", token=token, json={"sdk": False}).status_code == 201


def test_a_token_that_has_expired_or_was_made_elsewhere_is_unknown(site: Site, open_site: Callable[..., Site]) -> None:
    claims = {"aud": tokens.AUDIENCE, "sub": "Alice", "exp": datetime.now(UTC) + timedelta(hours=1)}
    with site.app.app_context():
        key = tokens._signing_key()
    right = jwt.encode(claims, key, algorithm="HS256")
    assert site.get(OWN, token=right).status_code == 200, "else the following would prove nothing"
    wrong = [
        signed(site, seconds=-1),
        signed(open_site(secret_key="another" * 5)),
        right[:-2] + ("AA" if right[-2:] != "AA" else "BB"),
        jwt.encode(claims, "k" * 32, algorithm="HS256"),  # SECRET_KEY itself
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims | {"aud": "another"}, key, algorithm="HS256"),
        jwt.encode(claims, key + key, algorithm="HS384"),
        *(
            jwt.encode({name: value for name, value in claims.items() if name != left_out}, key, algorithm="HS256")
            for left_out in claims
        ),
        "a.b.c",
        "..",
    ]
    for token in wrong:
        is_problem(site.get(OWN, token=token), 401)


def logged_in(site: Site, token: str = ALICE) -> FlaskClient:
    """A browser with a user's login."""
    browser = site.browser()
    assert browser.post("/login", data={"token": token}, headers=BROWSER).headers["Location"] == "/"
    return browser


def test_every_page_and_route_but_the_users_own_refuses_a_users_login(site: Site) -> None:
    """With and without the CSRF token that the browser has: the cookie is good for the phone and nothing else."""
    browser, allowed = logged_in(site), set()
    headers = {"X-CSRF-Token": csrf_token(browser)}
    assert headers["X-CSRF-Token"]
    for name in ("Alice", "Bob"):
        for endpoint, method, path in requests(site, name):
            if is_open(endpoint):
                continue
            response = browser.open(path, method=method, headers=headers)
            if endpoint in TO_THE_LOGIN:
                assert response.headers["Location"] == "/phone"
            elif response.status_code != 403:
                allowed.add((name, endpoint.partition(".")[0]))
    assert allowed == {*(("Alice", part) for part in OWN_PARTS), ("Alice", PHONE), ("Bob", PHONE)}


def test_a_users_login_acts_with_the_csrf_token_only(site: Site) -> None:
    browser = logged_in(site)
    change = {"json": {"do_not_disturb": True}}
    assert "CSRF" in is_problem(browser.patch(OWN, **change), 403)["title"]
    of_another = csrf_token(logged_in(site))
    is_problem(browser.patch(OWN, **change, headers={"X-CSRF-Token": of_another}), 403)
    right = {"X-CSRF-Token": csrf_token(browser)}
    assert browser.patch(OWN, **change, headers=right).json["do_not_disturb"] is True  # type: ignore[index]
    made = browser.post(f"{OWN}/token", json={"sdk": False}, headers=right)
    assert made.status_code == 201
    is_problem(browser.post("/api/v1/users/Bob/token", json={"sdk": False}, headers=right), 403)


def test_a_users_page_of_an_error_tells_nothing_of_the_server(site: Site) -> None:
    """No notices, no board, no status: these are for whoever runs it."""
    page = logged_in(site).get("/calls", headers=BROWSER)
    assert page.status_code == 403
    for shown in ("Users have their phone here", 'href="/phone"', "Alice", "Log out"):
        assert shown in page.text
    for hidden in ("PUBLIC_URL", 'class="notice', 'href="/status"', 'href="/figures"', 'href="/docs"'):
        assert hidden not in page.text


def test_a_user_logs_out_and_in_development_in_by_the_address(site: Site) -> None:
    browser = site.browser()
    assert browser.get(f"/?token={ALICE}", headers=BROWSER).headers["Location"] == "/"
    assert browser.get("/", headers=BROWSER).headers["Location"] == "/phone"
    assert browser.get(OWN).json["name"] == "Alice"  # type: ignore[index]
    cookie = browser.get_cookie("switchhook")
    assert log_out(browser).headers["Location"] == "/login"
    assert cookie is not None
    browser.set_cookie("switchhook", cookie.value)
    is_problem(browser.get(OWN), 401)


def made_with(site: Site, token: str, **more: Any) -> str:
    """A token of Alice's that *token* made."""
    response: Any = site.send("POST", f"{OWN}/token", token=token, json={"sdk": False}, **more)
    assert response.status_code == 201, response.text
    return str(response.json["token"])


def test_logging_out_ends_the_tokens_that_were_made_with_the_login(site: Site) -> None:
    """And those that were made with them, and streams that go on; not those of another login of the same user."""
    browsers = [logged_in(site), logged_in(site)]
    made = []
    for browser in browsers:
        right = {"X-CSRF-Token": csrf_token(browser)}
        response: Any = browser.post(f"{OWN}/token", json={"sdk": False}, headers=right)
        made.append(response.json["token"])
    made.append(made_with(site, made[0]))
    with site.app.test_request_context(f"{OWN}/stream", headers={"Authorization": f"Bearer {made[0]}"}):
        still = still_may("viewer", user="Alice")
    assert still()
    assert [site.get(OWN, token=token).status_code for token in made] == [200, 200, 200]
    log_out(browsers[0])
    assert [site.get(OWN, token=token).status_code for token in made] == [401, 200, 401]
    assert not still()


def test_a_token_that_leaves_access_tokens_takes_along_what_was_made_with_it(open_site: Callable[..., Site]) -> None:
    """Operator's and user's: who has taken one may have made many."""
    site = open_site(access_tokens=WITH_USERS)
    by_operator, by_alice = made_with(site, OPERATOR), made_with(site, ALICE)
    by_both = made_with(site, by_operator)
    later = open_site(access_tokens=(("user/Alice", ALICE),))
    assert [later.get(OWN, token=token).status_code for token in (by_operator, by_both, by_alice)] == [401, 401, 200]


def test_a_token_made_with_a_login_is_not_known_while_nobody_can_say_whether_it_goes_on(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = logged_in(site)
    right = {"X-CSRF-Token": csrf_token(browser)}
    made: Any = browser.post(f"{OWN}/token", json={"sdk": False}, headers=right)
    token = made.json["token"]

    def away(_name: str) -> None:
        raise StoreUnavailable("timeout")

    monkeypatch.setattr(site.store, "login_of", away)
    is_problem(site.get(OWN, token=token), 503)


def test_no_route_but_the_board_takes_a_token_from_an_address(site: Site) -> None:
    """And that one in development only: addresses end in logs and histories."""
    short = signed(site)
    for endpoint, method, path in requests(site, "Alice"):
        if is_open(endpoint) or endpoint in TO_THE_LOGIN:
            continue
        for name, token in (("token", ALICE), ("access_token", short), ("token", OPERATOR)):
            response = site.send(method, path, token=None, query_string={name: token})
            assert response.status_code in (401, 302), (endpoint, method)
            assert response.headers.get("Location", "/login").startswith("/login"), endpoint


def test_a_short_lived_token_opens_no_page(site: Site) -> None:
    browser = site.browser()
    assert browser.post("/login", data={"token": signed(site)}, headers=BROWSER).status_code == 401
    assert browser.get("/", headers=BROWSER).headers["Location"] == "/login"


def test_a_stream_of_a_users_login_goes_on_until_the_logout(site: Site) -> None:
    browser = logged_in(site)
    cookie = browser.get_cookie("switchhook")
    assert cookie is not None

    def may_read(user: str) -> Callable[[], bool]:
        cookies = {"Cookie": f"switchhook={cookie.value}"}
        with site.app.test_request_context(f"/api/v1/users/{user}/stream", headers=cookies):
            return still_may("viewer", user=user)

    own, of_another = may_read("Alice"), may_read("Bob")
    assert (own(), of_another()) == (True, False)
    log_out(browser)
    assert not own()


def test_a_login_is_good_for_what_its_token_is_good_for_now(open_site: Callable[..., Site]) -> None:
    """A viewer's token that becomes Alice's: who has it could log in as her anyway, and sees no more than she does."""
    browser = open_site().browser()
    browser.post("/login", data={"token": VIEWER})
    cookie = browser.get_cookie("switchhook")
    assert cookie is not None
    later = open_site(access_tokens=(("operator", OPERATOR), ("user/Alice", VIEWER))).browser()
    later.set_cookie("switchhook", cookie.value)
    assert later.get("/", headers=BROWSER).headers["Location"] == "/phone"
    for path in (LIST, "/status", "/board/stream", "/api/v1/users/Bob"):
        assert later.get(path).status_code == 403
    assert later.get(OWN).status_code == 200
    gone = open_site(access_tokens=(("operator", OPERATOR),)).browser()
    gone.set_cookie("switchhook", cookie.value)
    assert gone.get(OWN).status_code == 401
