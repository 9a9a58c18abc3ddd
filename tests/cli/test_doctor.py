"""`flask doctor`: each fault is found, and it says what to do."""

from __future__ import annotations

import json
import shlex
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import click
import pytest
from vonage_application import ApplicationConfig

from app.cli.doctor import redis_checks
from app.cli.doctor.public_address import public_address
from app.cli.doctor.server_checks import public_url, settings_findings
from app.cli.doctor.vonage_application import differences, mended
from app.cli.doctor.vonage_checks import acting, application_findings, vonage_findings
from config.settings import Settings, load
from tests.cli.listening import listening
from tests.cli.shell import ROOT, Inside, Shell
from tests.engines import Engine, free_ports, single, wait_until
from tests.vonage_simulator.api_server import APPLICATION_ID, Server, serving
from vonage_simulator.certificate import make
from vonage_simulator.ledger import Target

KEY: Any = {"api_key": "abcd1234", "api_secret": "secret"}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine whose settings these tests change."""
    with single() as engine:
        yield engine


def findings(url: str, tmp_path: Path, **settings: Any) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit status, and each finding by what it is about."""
    inside = Inside(url, **{"data_dir": tmp_path, **settings})
    try:
        code, out, _ = inside.run("doctor", "--json")
    finally:
        inside.site.close()
    return code, {each["about"]: each for each in json.loads(out)["findings"]}


def test_an_embedded_store_has_no_fault(shell: Shell) -> None:
    code, out, err = shell.run("doctor")
    assert (code, err) == (0, "")
    assert "ok      persistence: append-only file" in out
    assert "fault" not in out
    assert "request the steps of call flows.\n        -> Set PUBLIC_URL=" in out, "what to do has a line of its own"


def test_a_redis_that_is_away_is_a_fault(tmp_path: Path) -> None:
    code, found = findings(f"unix://{tmp_path}/nothing", tmp_path)
    assert code == 1
    assert found["store"]["level"] == "fault"
    assert "REDIS_URL" in found["store"]["do"]


def test_a_redis_that_evicts_is_a_fault(engine: Engine, tmp_path: Path) -> None:
    client = engine.nodes[0].client
    client.config_set("maxmemory-policy", "allkeys-lru")
    code, found = findings(engine.address.url, tmp_path)
    client.config_set("maxmemory-policy", "noeviction")
    assert (code, found["eviction policy"]["level"]) == (1, "fault")
    assert findings(engine.address.url, tmp_path)[0] == 0


def test_a_redis_that_is_nearly_full_is_a_fault(engine: Engine, tmp_path: Path) -> None:
    client = engine.nodes[0].client
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.1))
    code, found = findings(engine.address.url, tmp_path)
    client.config_set("maxmemory", 0)
    assert (code, found["memory"]["level"]) == (1, "fault")


def test_a_redis_that_keeps_nothing_on_disk_is_advice(engine: Engine, tmp_path: Path) -> None:
    code, found = findings(engine.address.url, tmp_path)
    assert (code, found["persistence"]["level"]) == (0, "advice")


def test_the_clock_is_that_of_redis(engine: Engine, tmp_path: Path) -> None:
    inside = Inside(engine.address.url, data_dir=tmp_path)
    assert abs(inside.site.store.clock() - time.time()) < 5
    inside.site.close()
    assert redis_checks.clock(-30).level == "fault"
    assert "behind" in redis_checks.clock(-30).found


def test_an_old_redis_is_a_fault_and_a_far_one_is_advice() -> None:
    assert redis_checks.version({b"redis_version": b"6.0.16"}).level == "fault"
    assert redis_checks.version({b"redis_version": b"6.2.0"}).level == "ok"
    assert redis_checks.round_trip([0.01, 0.2, 0.3]).level == "advice"


def test_a_flows_file_with_a_fault_is_one(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text("routes: 7\n")
    code, found = findings(engine.address.url, tmp_path, flows_file=file)
    assert (code, found["call flows"]["level"]) == (1, "fault")


def test_a_data_folder_that_is_a_file_is_a_fault(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, found = findings(engine.address.url, tmp_path, data_dir=tmp_path / "file")
    assert (code, found["data folder"]["level"]) == (1, "fault")


@pytest.mark.parametrize(("status", "level"), [(200, "ok"), (404, "fault")])
def test_the_public_url_is_requested(engine: Engine, tmp_path: Path, status: int, level: str) -> None:
    with listening(status, b'{"alive": true}') as listener:
        _, found = findings(engine.address.url, tmp_path, public_url=listener.url)
    assert found["public URL"]["level"] == level
    assert listener.requests[0][:2] == ("GET", "/healthz")


def test_a_public_url_that_leads_to_another_server_is_a_fault(engine: Engine, tmp_path: Path) -> None:
    with listening(200, b"Welcome") as listener:
        code, found = findings(engine.address.url, tmp_path, public_url=listener.url)
    assert (code, found["public URL"]["level"]) == (1, "fault")


@pytest.mark.parametrize(
    ("host", "level"),
    [
        ("127.0.0.1", "fault"),
        ("localhost", "fault"),
        ("[::1]", "fault"),
        ("10.0.0.5", "fault"),
        ("192.168.1.20:8443", "fault"),
        ("100.64.0.1", "fault"),  # of a carrier's own network: RFC 6598
        ("8.8.8.8", "ok"),
    ],
)
def test_an_address_that_vonage_cannot_reach_is_a_fault(host: str, level: str) -> None:
    (found,) = public_address(Settings(secret_key="k" * 32, public_url=f"https://{host}"))
    assert (found.level, "tunnel" in found.do) == (level, level == "fault")


def test_a_name_that_is_private_here_may_be_public_elsewhere() -> None:
    """Only this machine's own names can be resolved in a test; it may have none."""
    name = socket.gethostname()
    try:
        if ip_address(socket.gethostbyname(name)).is_global:
            pytest.skip("this machine has a public address")
    except OSError:
        pytest.skip("this machine's name has no address")
    (found,) = public_address(Settings(secret_key="k" * 32, public_url=f"https://{name}"))
    assert found.level == "advice"


def test_the_simulated_vonage_reaches_this_machine(engine: Engine, tmp_path: Path) -> None:
    """And Vonage itself is not set to an address of this machine."""
    settings = {"public_url": "http://127.0.0.1:9", "api_hosts": ("127.0.0.1:8443",)}
    assert findings(engine.address.url, tmp_path, **settings)[1]["public address"]["level"] == "ok"
    code, found = findings(engine.address.url, tmp_path, public_url="http://127.0.0.1:9")
    assert (code, found["public address"]["level"]) == (1, "fault")
    inside = Inside(engine.address.url, data_dir=tmp_path, public_url="http://127.0.0.1:9", **KEY)
    _, _, err = inside.run("doctor", "--fix", "--yes")
    inside.site.close()
    assert "Vonage cannot reach 127.0.0.1" in err


def test_why_an_address_cannot_be_reached_is_said(tmp_path: Path) -> None:
    """A name, a port and a certificate: something else is to be done about each."""
    with serving(tmp_path / "carrier") as carrier, pytest.MonkeyPatch.context() as environment:
        environment.delenv("REQUESTS_CA_BUNDLE")
        for url, words, do in (
            ("https://nothing.invalid", "(no address for its name: ", "repeat this"),  # RFC 2606, section 2
            ("https://127.0.0.1:9", "(Connection refused)", "repeat this"),
            (carrier.base, "(its certificate is not valid: unable to get local issuer", "set REQUESTS_CA_BUNDLE"),
        ):
            public = public_url(url)
            assert (public.level, words in public.found) == ("fault", True), public
            settings = Settings(
                secret_key="k" * 32, **account(carrier) | {"api_hosts": (url.removeprefix("https://"),)}
            )
            (_, application) = vonage_findings(settings)
            assert (words in application.found, do in application.do) == (True, True), application
        assert "Renew it" in public.do


def test_what_is_no_vonage_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a proxy in between: its page is no JSON."""
    certificate = make(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.ca))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    with listening(200, b"<h1>Log in first</h1>") as listener:
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
        host = f"127.0.0.1:{listener.server_port}"
        settings = Settings(secret_key="k" * 32, **KEY, application_id=APPLICATION_ID, api_hosts=(host,))
        (_, found) = vonage_findings(settings)
    assert (found.level, found.found) == ("fault", f"{host} answers 200, and not in JSON")


@pytest.mark.parametrize(
    ("environ", "words", "do"),
    [
        ({}, "UNSIGNED WEBHOOKS", "Set VONAGE_SIGNATURE_SECRETS=API_KEY:SIGNATURE_SECRET"),
        ({}, "PUBLIC_URL is not set", "Set PUBLIC_URL=https://YOUR-SERVER"),
        (
            {"VONAGE_SIGNATURE_SECRETS": "abcd1234:short"},
            "32 bytes",
            "VONAGE_SIGNATURE_SECRETS=API_KEY:NEW,API_KEY:OLD",
        ),
        ({"VONAGE_SIGNATURE_SECRETS": "abcd1234:short"}, "VERIFY_GET_HASH is off", "Set VERIFY_GET_HASH=on once"),
        (
            {"WEBHOOK_VERIFY": "off"},
            "WEBHOOK_VERIFY is off",
            "Set WEBHOOK_VERIFY=enforce. Set VONAGE_SIGNATURE_SECRETS=",
        ),
        ({"WEBHOOK_VERIFY": "report"}, "WEBHOOK_VERIFY is report", "Set WEBHOOK_VERIFY=enforce once `reported`"),
        ({"LOG_FORMAT": "pretty"}, "LOG_FORMAT is pretty", "Set LOG_FORMAT to lines or json."),
    ],
)
def test_each_note_of_the_settings_has_what_to_do(tmp_path: Path, environ: dict[str, str], words: str, do: str) -> None:
    """In words of its own: an image of a container has no docs."""
    found = list(settings_findings(load({"DATA_DIR": str(tmp_path), **environ})))
    assert any(words in each.found and do in each.do for each in found), found
    assert not any("docs/" in each.do for each in found)


def test_a_misspelt_variable_is_to_be_corrected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VONAGE_SIGNATURE_SECRET", "abcd1234:secret")
    found = list(settings_findings(load({"DATA_DIR": str(tmp_path)})))
    assert any("No setting" in each.found and each.do.startswith("Correct the name") for each in found)


def test_half_an_api_key_is_a_wrong_setting(shell: Shell) -> None:
    code, _, err = shell.run("doctor", VONAGE_API_KEY="abcd1234")
    assert code == 1
    assert "VONAGE_API_SECRET: Not set" in err


@pytest.mark.parametrize(
    ("given", "reading", "acts"),
    [
        (
            {},
            "Set VONAGE_API_KEY, VONAGE_API_SECRET and VONAGE_APPLICATION_ID.",
            "Set VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY. ",
        ),
        (KEY, "Set VONAGE_APPLICATION_ID.", "Set VONAGE_APPLICATION_ID and VONAGE_PRIVATE_KEY. "),
        ({"application_id": APPLICATION_ID}, "Set VONAGE_API_KEY and VONAGE_API_SECRET.", "Set VONAGE_PRIVATE_KEY. "),
    ],
)
def test_the_settings_that_are_missing_are_named_and_no_others(
    engine: Engine, tmp_path: Path, given: dict[str, str], reading: str, acts: str
) -> None:
    code, found = findings(engine.address.url, tmp_path, app_env="production", **given)
    assert (code, found["Vonage application"]["do"]) == (0, reading)
    assert found["acting on calls"]["level"] == "advice"
    assert found["acting on calls"]["do"].startswith(acts)


def test_with_the_key_of_the_application_calls_can_be_acted_on() -> None:
    settings = Settings(secret_key="k" * 32, application_id=APPLICATION_ID, private_key="PEM")
    assert acting(settings).level == "ok"


PUBLIC = "https://calls.example.com"


def account(carrier: Server) -> dict[str, Any]:
    """The settings with which the application of *carrier* is read."""
    application = carrier.carrier.application
    return {
        "api_hosts": (carrier.base.removeprefix("https://"),),
        "api_key": application.api_key,
        "api_secret": application.api_secret,
        "application_id": APPLICATION_ID,
    }


def test_the_application_at_vonage_is_compared_with_this_server(engine: Engine, tmp_path: Path) -> None:
    with serving(tmp_path / "carrier") as carrier:
        application = carrier.carrier.application
        settings = account(carrier)
        code, found = findings(engine.address.url, tmp_path, **settings)
        base = "http://127.0.0.1:8080/voice"
        assert code == 1
        assert found["answer_url"]["level"] == found["signed callbacks"]["level"] == "fault"
        assert found["fallback_answer_url"]["do"].endswith(f"{base}/fallback")

        assert found["time limits"]["found"] == "answer_url connect_timeout 500 ms, event_url socket_timeout 2000 ms"

        application.answer, application.event = Target(f"{base}/answer"), Target(f"{base}/event")
        application.fallback, application.signed_callbacks = Target(f"{base}/fallback"), True
        code, found = findings(engine.address.url, tmp_path, **settings)
        assert (code, found["signed callbacks"]["level"]) == (0, "ok")
        assert found["clock and Vonage"]["level"] == found["time limits"]["level"] == "ok"
        assert found["region"]["found"] == "eu-west"
        assert found["answer_url"]["found"] == f"POST {base}/answer"

        code, found = findings(engine.address.url, tmp_path, **settings | {"api_secret": "wrong"})
        assert (code, found["Vonage application"]["found"].endswith("401")) == (1, True)
    code, found = findings(engine.address.url, tmp_path, **settings)
    assert (code, found["Vonage application"]["level"]) == (1, "fault")


def test_another_method_and_another_region_than_this_server_s_are_named() -> None:
    settings = Settings(secret_key="k" * 32, public_url=PUBLIC, api_hosts=("api-us-3.vonage.com",))
    webhook = {"address": f"{PUBLIC}/voice/answer", "http_method": "PUT"}
    voice = {"webhooks": {"answer_url": webhook}, "region": "eu-west"}
    application = {"capabilities": {"voice": voice}}
    found = {each.about: each for each in application_findings(application, settings)}
    assert (found["answer_url"].level, found["region"].level) == ("fault", "advice")
    assert found["region"].found == "calls arrive in eu-west, and are placed in na-east"
    changed = mended(application, settings)
    assert {each.level for each in application_findings(changed, settings)} == {"ok"}
    assert changed["capabilities"]["voice"]["webhooks"]["answer_url"]["http_method"] == "POST"


def test_what_is_null_is_not_set_and_what_an_address_holds_besides_is_not_shown() -> None:
    settings = Settings(secret_key="k" * 32, public_url=PUBLIC)
    webhook = {"address": "https://user:secret@old.example.com/a?token=secret", "connect_timeout": None}
    application = {"capabilities": {"voice": {"webhooks": {"answer_url": webhook}}}}
    found = {each.about: each for each in application_findings(application, settings)}
    assert found["time limits"].level == "ok"
    assert found["answer_url"].found == "usual method https://…@old.example.com/a?…"
    changes = list(differences(application, mended(application, settings)))
    assert not [line for line in changes if "secret" in line or "timeout" in line]
    assert any("https://…@old.example.com/a?… -> https" in line for line in changes)


@pytest.fixture
def carrier(tmp_path: Path) -> Iterator[Server]:
    """A carrier whose application has a capability and a setting that are none of this server's business."""
    with serving(tmp_path / "carrier") as carrier:
        client = carrier.client.application
        config = client.get_application(APPLICATION_ID).model_dump(exclude_none=True)
        config["capabilities"] |= {"rtc": {"signed_callbacks": True}}
        config["capabilities"]["voice"]["leg_persistence_time"] = 7
        client.update_application(APPLICATION_ID, ApplicationConfig(**config))
        yield carrier


@pytest.fixture
def fixing(engine: Engine, carrier: Server, tmp_path: Path) -> Iterator[Inside]:
    """Commands with the settings of the carrier's account."""
    inside = Inside(engine.address.url, data_dir=tmp_path, public_url=PUBLIC, **account(carrier))
    yield inside
    inside.site.close()


def application_at(carrier: Server) -> Any:
    return carrier.client.application.get_application(APPLICATION_ID)


def test_fix_shows_the_difference_and_sets_that_alone(fixing: Inside, carrier: Server) -> None:
    before = application_at(carrier)
    _, out, _ = fixing.run("doctor", "--fix", typed="y\n")
    lines = [line.strip() for line in out.partition("Change it?")[0].splitlines()]
    webhooks = "capabilities.voice.webhooks"
    assert lines == [
        f"To be changed at {carrier.base.removeprefix('https://')}:",
        f"{webhooks}.answer_url.address: {carrier.application_url}/answer -> {PUBLIC}/voice/answer",
        f"{webhooks}.answer_url.connect_timeout: 500 -> 1000",
        f"{webhooks}.event_url.address: {carrier.application_url}/event -> {PUBLIC}/voice/event",
        f"{webhooks}.event_url.socket_timeout: 2000 -> 10000",
        f"{webhooks}.fallback_answer_url.address: not set -> {PUBLIC}/voice/fallback",
        f"{webhooks}.fallback_answer_url.http_method: not set -> POST",
        "capabilities.voice.signed_callbacks: off -> on",
    ]
    assert "ok      signed callbacks: on" in out, "the check comes after it"
    voice = (after := application_at(carrier)).capabilities.voice
    assert voice.webhooks.answer_url.http_method == "GET", "it is served as well, so it stays"
    for name in ("name", "keys", "privacy"):
        assert getattr(after, name) == getattr(before, name), name
    assert after.capabilities.rtc == before.capabilities.rtc
    assert (voice.leg_persistence_time, voice.region.value) == (7, "eu-west")

    _, out, _ = fixing.run("doctor", "--fix")
    assert out.startswith("The application at Vonage needs no change.\n")


@pytest.mark.parametrize("typed", ["n\n", ""])
def test_without_a_yes_nothing_is_changed(fixing: Inside, carrier: Server, typed: str) -> None:
    before = application_at(carrier)
    code, out, err = fixing.run("doctor", "--fix", typed=typed)
    assert (code, application_at(carrier)) == (1, before)
    assert ("add --yes" in err) is (not typed), "of what a job without a terminal needs"
    assert "fault   signed callbacks: off" in out, "it is checked all the same"


def test_what_somebody_changed_meanwhile_is_not_overwritten(
    fixing: Inside, carrier: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(_: str) -> bool:
        carrier.carrier.application.name = "Changed in the dashboard"
        return True

    monkeypatch.setattr(click, "confirm", confirm)
    code, _, err = fixing.run("doctor", "--fix")
    assert (code, "changed by somebody else" in err) == (1, True)
    assert application_at(carrier).capabilities.voice.signed_callbacks is False


def test_fix_needs_a_public_url_and_an_account(engine: Engine, tmp_path: Path) -> None:
    for settings, words in ({}, "Set PUBLIC_URL first"), ({"public_url": PUBLIC}, "Set VONAGE_API_KEY"):
        inside = Inside(engine.address.url, data_dir=tmp_path, **settings)
        code, out, err = inside.run("doctor", "--fix", "--yes")
        inside.site.close()
        assert (code, words in err) == (1, True), err
        assert "persistence: " in out, "all else is checked"
    with serving(tmp_path / "carrier") as carrier:
        unknown = "00000000-0000-4000-8000-000000000000"
        for wrong, status in ({"api_secret": "wrong"}, 401), ({"application_id": unknown}, 404):
            inside = Inside(engine.address.url, data_dir=tmp_path, public_url=PUBLIC, **account(carrier) | wrong)
            code, out, err = inside.run("doctor", "--fix", "--yes")
            inside.site.close()
            assert (code, "was not changed" in err, f"answers {status}" in err) == (1, True, True)
            assert "persistence: " in out, "all else is checked"


def test_the_lines_of_the_docs_let_doctor_set_the_simulated_vonage(shell: Shell, tmp_path: Path) -> None:
    """docs/control.md, with other ports: only the server itself is not started here."""
    exported = [line for line in (ROOT / "docs/control.md").read_text().splitlines() if line.startswith("export ")]
    variables = dict(word.split("=", 1) for line in exported for word in shlex.split(line)[1:])
    api, sdk = free_ports(2)
    variables = {name: value.replace("8443", str(api)) for name, value in variables.items()}
    variables = {name: value.replace("var/", f"{shell.data_dir}/") for name, value in variables.items()}
    words = ("simulate", "serve", "--api-port", str(api), "--sdk-port", str(sdk))
    with (log := tmp_path / "log").open("w") as said:
        vonage = subprocess.Popen(
            [sys.executable, "-u", "-m", "flask", *words], cwd=ROOT, env=shell.environ, stdout=said, stderr=said
        )
    try:
        wait_until(lambda: "Ctrl-C stops it." in log.read_text(), "it serves", 60)
        _, first, _ = shell.run("doctor", **variables)
        _, fixed, err = shell.run("doctor", "--fix", "--yes", **variables | {"PUBLIC_URL": "http://localhost:8080"})
    finally:
        vonage.terminate()
        vonage.wait(60)
    assert (err, "\nChanged.\n" in fixed) == ("", True), fixed
    assert "ok      answer_url: GET http://localhost:8080/voice/answer" in fixed
    for out in (first, fixed):
        faults = {line.split(": ")[0] for line in out.splitlines() if line.startswith("fault")}
        assert faults <= {"fault   public URL"}, out
        assert "ok      signed callbacks: on" in out
