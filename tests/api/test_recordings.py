"""Playing recordings: fetched with the application's token from Vonage's hosts, and from nowhere else."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import jwt
import pytest

from app import recordings as module
from app.recordings import NotPlayable, Recordings, Span
from app.vonage_token import ApplicationTokens
from tests.api.site import OPERATOR, VIEWER, Site, is_problem
from tests.vonage_simulator.api_server import APPLICATION_ID, Server, serving
from vonage_simulator import audio
from vonage_simulator.certificate import Certificate, application_keys, make
from vonage_simulator.files import File

CONVERSATION, RECORDING = "CON-recorded", "aaaaaaaa-bbbb-4ccc-8ddd-111111111111"
ADDRESS = f"/api/v1/recordings/{RECORDING}?conversation_uuid={CONVERSATION}"
SOUND = audio.silence("mp3", 30.0, 1)

OpenSite = Callable[..., Site]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def vonage(folder: Path) -> Iterator[Server]:
    """The simulated Vonage, with its certificate trusted."""
    with serving(folder) as server:
        yield server


@pytest.fixture
def player(vonage: Server, open_site: OpenSite) -> Site:
    """A site with the application's key, that trusts the simulator, and a call that was recorded there."""
    site = open_site(
        application_id=APPLICATION_ID,
        private_key=vonage.private_key.read_text(),
        recording_hosts=(vonage.base.removeprefix("https://"),),
    )
    record(site, vonage.do(lambda: vonage.carrier.files.add(File(SOUND, "mp3"))))
    return site


def record(site: Site, url: str) -> None:
    """Store a webhook that says the recording is at *url*."""
    site.record({"conversation_uuid": CONVERSATION, "recording_uuid": RECORDING, "recording_url": url, "size": 1})


# -- playing ----------------------------------------------------------------------------------------------------------


def test_a_recording_of_the_simulator_is_played(player: Site) -> None:
    response = player.get(ADDRESS, token=OPERATOR)
    assert response.status_code == 200, response.text
    assert response.data == SOUND
    assert response.content_type == "audio/mpeg"
    assert response.headers["Content-Length"] == str(len(SOUND))
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        *(("bytes=0-", 0, len(SOUND)), ("bytes=0-99", 0, 100), ("bytes=100-199", 100, 200)),
        *((f"bytes={len(SOUND) - 5}-", len(SOUND) - 5, len(SOUND)), ("bytes=7-7", 7, 8)),
        ("bytes=10-99999999", 10, len(SOUND)),
    ],
)
def test_a_part_is_played(player: Site, asked: str, start: int, end: int) -> None:
    response = player.send("GET", ADDRESS, token=OPERATOR, headers={"Range": asked})
    assert response.status_code == 206
    assert response.data == SOUND[start:end]
    assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(SOUND)}"
    assert response.headers["Content-Length"] == str(end - start)


def test_a_part_behind_the_end_is_refused(player: Site) -> None:
    response = player.send("GET", ADDRESS, token=OPERATOR, headers={"Range": f"bytes={len(SOUND)}-"})
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(SOUND)}"
    assert response.data == b""


@pytest.mark.parametrize("asked", ["bytes=9-1", "bytes=-5", "bytes=1-2,4-5", "pages=1-2", "bytes=", "bytes=١-٢"])
def test_a_range_of_another_form_gets_the_whole(player: Site, asked: str) -> None:
    response = player.send("GET", ADDRESS, token=OPERATOR, headers={"Range": asked.encode().decode("latin-1")})
    assert (response.status_code, response.data) == (200, SOUND)


def test_it_is_for_operators_unless_the_setting_says_otherwise(player: Site, vonage: Server, open_site: Any) -> None:
    is_problem(player.get(ADDRESS, token=None), 401)
    is_problem(player.get(ADDRESS, token=VIEWER), 403)
    assert player.send("HEAD", ADDRESS, token=OPERATOR).status_code == 200
    for_all = open_site(recordings_role="viewer")
    is_problem(for_all.get(ADDRESS, token=VIEWER), 501)


def test_who_listens_is_noted(player: Site) -> None:
    player.get(ADDRESS, token=OPERATOR)
    player.store.ping()
    entries = player.read("/api/v1/audit", token=OPERATOR)["items"]
    assert [entry["calls"] for entry in entries] == [[RECORDING]]


# -- what is not there, or cannot be had -------------------------------------------------------------------------------


def test_without_a_key_it_says_what_is_missing(open_site: OpenSite) -> None:
    site = open_site()
    record(site, "https://api.nexmo.com/v1/files/1")
    assert "VONAGE_PRIVATE_KEY" in is_problem(site.get(ADDRESS, token=OPERATOR), 501)["detail"]


def test_an_unknown_recording(player: Site) -> None:
    for path in ("/api/v1/recordings/none?conversation_uuid=CON-recorded", ADDRESS.replace("CON-", "NOT-")):
        is_problem(player.get(path, token=OPERATOR), 404)
    is_problem(player.get(f"/api/v1/recordings/{RECORDING}", token=OPERATOR), 422)
    player.send("DELETE", f"/api/v1/conversations/{CONVERSATION}", token=OPERATOR)
    record(player, "")  # as vonage-node-sdk's issue 132 has it
    is_problem(player.get(ADDRESS, token=OPERATOR), 404)


def test_one_that_vonage_has_no_longer(player: Site, vonage: Server) -> None:
    vonage.do(vonage.carrier.files.clear)
    assert "keeps them for a limited time" in is_problem(player.get(ADDRESS, token=OPERATOR), 404)["detail"]


def test_a_key_of_another_application(vonage: Server, open_site: OpenSite, tmp_path: Path) -> None:
    other, _ = application_keys(tmp_path)
    site = open_site(
        application_id=APPLICATION_ID,
        private_key=other.read_text(),
        recording_hosts=(vonage.base.removeprefix("https://"),),
    )
    record(site, vonage.do(lambda: vonage.carrier.files.add(File(SOUND, "mp3"))))
    assert is_problem(site.get(ADDRESS, token=OPERATOR), 502)["reason"] == "refused"


def test_what_is_no_audio_is_not_passed_on(player: Site, vonage: Server) -> None:
    """A transcript is there under an address of the same form; a page would run as one of ours."""
    record(player, vonage.do(lambda: vonage.carrier.files.add(File(b"<script>", "json"))))
    player.send("DELETE", f"/api/v1/conversations/{CONVERSATION}", token=OPERATOR)
    record(player, vonage.do(lambda: vonage.carrier.files.add(File(b"<script>", "json"))))
    assert is_problem(player.get(ADDRESS, token=OPERATOR), 502)["reason"] == "no_audio"


@pytest.mark.parametrize(
    "url",
    [
        *("http://api.nexmo.com/v1/files/1", "https://api.nexmo.com.evil.example/1", "https://evilnexmo.com/1"),
        *(
            "https://evil.example/api.nexmo.com/1",
            "https://evil.example#.nexmo.com",
            "https://evil.example\\.nexmo.com",
        ),
        *("https://api.nexmo.com@evil.example/1", "https://user:pw@api.nexmo.com/1", "https://api.nexmo.com:8443/1"),
        *("https://127.0.0.1/1", "https://[::1]/1", "https://169.254.169.254/latest/meta-data", "https://localhost/1"),
        *(
            "ftp://api.nexmo.com/1",
            "file:///etc/passwd",
            "//api.nexmo.com/1",
            "/v1/files/1",
            "x",
            "https://",
            "https://[",
        ),
        *("https://api.nexmo.com:x/1", "https://аpi.nexmo.com/1", "https://.nexmo.com\n.evil.example/1"),
    ],
)
def test_the_token_is_sent_nowhere_else(open_site: OpenSite, folder: Path, monkeypatch: Any, url: str) -> None:
    def connect(*_: Any, **__: Any) -> None:
        raise AssertionError("something was requested")

    monkeypatch.setattr("requests.get", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("93.184.216.34", 443))])
    site = open_site(application_id=APPLICATION_ID, private_key=application_keys(folder)[0].read_text())
    record(site, url)
    assert is_problem(site.get(ADDRESS, token=OPERATOR), 502)["reason"] == "elsewhere"


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "::1", "fd00::1"])
def test_a_host_of_vonages_name_with_a_private_address_is_not_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    found = [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr("requests.get", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(NotPlayable, match="elsewhere"):
        Recordings(ApplicationTokens(APPLICATION_ID, application_keys(folder)[0].read_text())).open(
            "https://api.nexmo.com/v1/files/1"
        )


def test_hosts_of_vonage_and_their_regions_are_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Asked(Exception):
        pass

    def get(url: str, **_: Any) -> None:
        asked.append(url)
        raise Asked

    monkeypatch.setattr("requests.get", get)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", ("93.184.216.34", 443))])
    recordings = Recordings(ApplicationTokens(APPLICATION_ID, application_keys(folder)[0].read_text()))
    hosts = ("api.nexmo.com", "api-us.nexmo.com", "API-EU-3.vonage.com", "api.nexmo.com:443")
    for host in hosts:
        with pytest.raises(Asked):
            recordings.open(f"https://{host}/v1/files/1")
    assert len(asked) == len(hosts)


# -- a host that does odd things --------------------------------------------------------------------------------------


class Odd(BaseHTTPRequestHandler):
    """Replies as the test says, and keeps what it was sent."""

    reply: ClassVar[Callable[[Odd], None]]
    seen: ClassVar[list[Any]] = []

    def do_GET(self) -> None:
        Odd.seen.append((self.path, dict(self.headers)))
        type(self).reply(self)

    def log_message(self, *_: Any) -> None:
        pass

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def odd(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Recordings, str]]:
    """Recordings that trust such a host, and its address."""
    certificate: Certificate = make(folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    host = f"127.0.0.1:{server.server_port}"
    Odd.seen.clear()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.ca))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    key = application_keys(folder)[0].read_text()
    yield Recordings(ApplicationTokens(APPLICATION_ID, key), (host,)), f"https://{host}/v1/files/1"
    server.shutdown()
    thread.join()
    server.server_close()


def played(recordings: Recordings, url: str, wanted: Span | None = None) -> bytes:
    """All of it."""
    sound = recordings.open(url, wanted)
    try:
        return b"".join(sound)
    finally:
        sound.close()


def test_it_is_asked_as_vonage_documents_it(odd: tuple[Recordings, str], folder: Path) -> None:
    recordings, url = odd
    Odd.reply = lambda self: self.send(206, b"part", Content_Type="audio/wav", Content_Range="bytes 5-8/100")
    sound = recordings.open(url, Span(5, 8))
    assert (sound.status, sound.content_range, sound.type, b"".join(sound)) == (
        *(206, "bytes 5-8/100", "audio/wav", b"part"),
    )
    sound.close()
    ((path, headers),) = Odd.seen
    assert (path, headers["Range"]) == ("/v1/files/1", "bytes=5-8")
    scheme, token = headers["Authorization"].split()
    assert scheme == "Bearer"
    claims = jwt.decode(token, application_keys(folder)[1], algorithms=["RS256"])
    assert claims["application_id"] == APPLICATION_ID
    assert 0 < claims["exp"] - time.time() <= module.TOKEN_SECONDS + 1


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("https://evil.example/", "elsewhere"),
        ("https://..nexmo.com/x", "away"),
        (f"https://{'a' * 64}.nexmo.com/x", "away"),
        ("http://127.0.0.1:1/", "elsewhere"),
        ("https://127.0.0.1:1/x", "elsewhere"),
        ("/again", "elsewhere"),
        ("", "elsewhere"),
    ],
)
def test_redirections_lead_nowhere_else_and_end(odd: tuple[Recordings, str], target: str, reason: str) -> None:
    recordings, url = odd
    Odd.reply = lambda self: self.send(302, Location=target)
    with pytest.raises(NotPlayable, match=reason):
        played(recordings, url)
    assert len(Odd.seen) <= 1 + module.MOST_REDIRECTIONS


def test_a_redirection_within_trusted_hosts_is_followed(odd: tuple[Recordings, str]) -> None:
    recordings, url = odd

    def reply(self: Odd) -> None:
        if self.path == "/there":
            self.send(200, SOUND, Content_Type="audio/mpeg")
        else:
            self.send(302, Location="/there")

    Odd.reply = reply
    assert played(recordings, url) == SOUND


@pytest.mark.parametrize(
    ("body", "named", "kind"),
    [
        (SOUND, "application/octet-stream", "audio/mpeg" if SOUND[:3] == b"ID3" or SOUND[0] == 0xFF else None),
        (b"RIFF....WAVE", "", "audio/wav"),
        (b"OggS", "binary/octet-stream", "audio/ogg"),
        (b"x", "audio/x-wav; charset=x", "audio/x-wav"),
        (b"<html>", "application/octet-stream", None),
        (b"<html>", "text/html", None),
        (b"x", "video/mp4", None),
        (b"x", "audio/<b>", None),
        (b"", "", None),
    ],
)
def test_only_audio_is_passed_on(odd: tuple[Recordings, str], body: bytes, named: str, kind: str | None) -> None:
    recordings, url = odd
    Odd.reply = lambda self: self.send(200, body, Content_Type=named)
    if kind is None:
        with pytest.raises(NotPlayable, match="no_audio"):
            played(recordings, url)
    else:
        sound = recordings.open(url)
        assert sound.type == kind
        sound.close()


@pytest.mark.parametrize(("status", "reason"), [(401, "refused"), (403, "refused"), (404, "gone"), (500, "away")])
def test_what_vonage_refuses(odd: tuple[Recordings, str], status: int, reason: str) -> None:
    recordings, url = odd
    Odd.reply = lambda self: self.send(status)
    for _ in range(module.MOST_AT_ONCE + 1):  # one that failed leaves its place to the next
        with pytest.raises(NotPlayable, match=reason):
            played(recordings, url)


def test_one_that_is_too_large_is_refused_or_ends(odd: tuple[Recordings, str], monkeypatch: pytest.MonkeyPatch) -> None:
    recordings, url = odd
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    Odd.reply = lambda self: self.send(200, b"x" * 101, Content_Type="audio/mpeg")
    with pytest.raises(NotPlayable, match="too_large"):
        played(recordings, url)

    def without_length(self: Odd) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "audio/mpeg")
        self.end_headers()
        self.wfile.write(b"x" * 1000)

    Odd.reply = without_length
    assert len(played(recordings, url)) == 100


def test_a_host_that_is_silent_is_given_up(odd: tuple[Recordings, str], monkeypatch: pytest.MonkeyPatch) -> None:
    recordings, url = odd
    monkeypatch.setattr(module, "READ_SECONDS", 0.2)
    silent = threading.Event()
    Odd.reply = lambda _: (silent.wait(5), None)[1]
    with pytest.raises(NotPlayable, match="slow"):
        played(recordings, url)
    silent.set()


def test_one_that_dribbles_ends(odd: tuple[Recordings, str], monkeypatch: pytest.MonkeyPatch) -> None:
    recordings, url = odd
    monkeypatch.setattr(module, "TOTAL_SECONDS", 0.3)
    monkeypatch.setattr(module, "PIECE", 1)

    def dribble(self: Odd) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "audio/mpeg")
        self.end_headers()
        for _ in range(100):
            self.wfile.write(b"x")
            time.sleep(0.01)

    Odd.reply = dribble
    assert 0 < len(played(recordings, url)) < 100


def test_only_some_are_played_at_once(odd: tuple[Recordings, str]) -> None:
    recordings, url = odd
    Odd.reply = lambda self: self.send(200, SOUND, Content_Type="audio/mpeg")
    playing = [recordings.open(url) for _ in range(module.MOST_AT_ONCE)]
    with pytest.raises(NotPlayable, match="busy"):
        recordings.open(url)
    playing.pop().close()
    assert played(recordings, url) == SOUND
    for sound in playing:
        sound.close()
        sound.close()  # twice is no more than once
    assert played(recordings, url) == SOUND


def test_a_player_that_leaves_frees_its_place(player: Site) -> None:
    for _ in range(module.MOST_AT_ONCE + 2):
        response = player.get(ADDRESS, token=OPERATOR)
        assert response.status_code == 200, response.text
        response.close()
