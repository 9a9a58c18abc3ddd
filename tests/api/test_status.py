"""The status endpoint and the two questions a platform asks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import cast

from app.services import Services
from tests.api.site import LIST, OPERATOR, Site, is_problem, status
from tests.engines import Engine, wait_until
from tests.generated import several

CONTRACT = {
    "legs": ["started", "ringing", "answered"],
    "conversations": ["live", "presumed_ended", "ended"],
    "webhooks": ["received", "repeats", "out_of_order", "unknown", "capped", "refused", "unfiled"],
}


def test_the_status_has_the_keys_of_the_contract_from_the_start(site: Site) -> None:
    """There may be more, never fewer."""
    shown = site.read("/status")
    assert list(shown)[:2] == ["service", "store"]
    for name, keys in CONTRACT.items():
        assert set(keys) <= set(shown[name])
        assert all(shown[name][key] == 0 for key in keys if key != "refused")
    assert shown["webhooks"]["refused"] == {}
    assert list(shown["legs"]) == CONTRACT["legs"]
    assert list(shown["conversations"]) == CONTRACT["conversations"]


def test_the_numbers_are_those_of_the_calls(site: Site) -> None:
    chance = Random(30)
    for call in several(chance, 80):
        site.record_webhooks(call)
    now = datetime.now(UTC)
    for number in range(3):
        site.record(status("answered", f"CON-silent-{number}"), received=now - timedelta(hours=5))
    shown = site.read("/status")
    names = site.listed(limit=500)
    calls = [site.conversation(name) for name in names]
    assert +Counter(shown["conversations"]) == Counter(call["state"] for call in calls)
    assert shown["conversations"]["presumed_ended"] == 3
    for state, count in shown["conversations"].items():
        assert len(site.listed(state=state, limit=500)) == count
    present = [leg["state"] for call in calls for leg in call["legs"] if leg["moved_to"] is None]
    assert +Counter(shown["legs"]) == Counter(state for state in present if state != "completed")


def test_webhooks_are_counted_by_their_outcome(site: Site) -> None:
    ringing = status("ringing", "CON-1")
    for body in (
        ringing,
        ringing,
        status("answered", "CON-1"),
        status("started", "CON-1"),
        status("levitating", "CON-1"),
    ):
        site.post(body)
    site.post({"status": "ringing", "uuid": "homeless"})
    site.app.test_client().post("/voice/event", data=b"no json")
    shown = site.read("/status")["webhooks"]
    assert {name: shown[name] for name in CONTRACT["webhooks"]} == {
        "received": 7,
        "repeats": 1,
        "out_of_order": 1,
        "unknown": 1,
        "capped": 0,
        "refused": {},
        "unfiled": 2,
    }


def test_refusals_are_counted_by_their_reason(open_site: Callable[..., Site]) -> None:
    site = open_site(signature_secrets=(("a1b2c3d4", "s" * 32),))
    for authorization in (None, "Bearer x.y.z"):
        headers = {"Authorization": authorization} if authorization else {}
        site.send("POST", "/voice/event", token=None, headers=headers, json=status("ringing", "CON-1"))
    wait_until(lambda: sum(site.read("/status")["webhooks"]["refused"].values()) == 2, "both are counted")
    shown = site.read("/status")
    assert len(shown["webhooks"]["refused"]) == 2
    assert shown["service"]["webhook_verify"] == "enforce"
    assert site.listed() == []


def test_the_status_has_the_flows_in_use_and_how_often_none_could_answer(
    open_site: Callable[..., Site], tmp_path: Path
) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text('routes: [{ to: "1", flow: a }]\nflows: { a: [{ action: talk, text: "4711" }] }\n')
    site = open_site(flows_file=file)
    reloader = cast("Services", site.app.extensions["switchhook"]).flows.reloader
    shown = site.read("/status")["flows"]
    known = site.read("/api/v1/flows", token=OPERATOR)
    assert shown == {
        "alarm": None,
        "version": known["version"],
        "loaded_at": known["loaded_at"],
        "faults": 0,
        "last_resort_served": 0,
        "python_threads_left_behind": 0,
    }
    for to in ("1", "2", "2"):
        site.post({"conversation_uuid": "CON-1", "uuid": "leg", "from": "447700900123", "to": to}, "/voice/answer")
    wait_until(lambda: site.read("/status")["flows"]["last_resort_served"] == 2, "it is counted")
    file.write_text("routes: []\nflows: {}\n4711: 4711\n")
    reloader.refresh()
    after = site.read("/status")["flows"]
    assert after["faults"] == len(reloader.faults) > 1
    assert after["version"] == shown["version"], "what runs is the last that was right"
    assert "4711" not in site.get("/status").text


def test_without_a_flows_file_the_status_says_so(open_site: Callable[..., Site], tmp_path: Path) -> None:
    site = open_site(flows_file=tmp_path / "none.yaml")
    shown = site.read("/status")["flows"]
    assert (shown["version"], shown["loaded_at"], shown["faults"]) == (None, None, 1)
    assert shown["alarm"].startswith("NO CALL FLOW CAN BE USED: every caller hears the last resort")


def test_the_status_reveals_no_secret(open_site: Callable[..., Site]) -> None:
    site = open_site(signature_secrets=(("a1b2c3d4", "s" * 32),))
    text = site.get("/status").text
    for secret in ("s" * 32, "k" * 32, site.store.__class__.__name__, "unix:", "socket", "operator-of"):
        assert secret not in text


def test_health_checks_need_no_token_and_reveal_no_more_than_that(site: Site) -> None:
    site.record(status("ringing", "CON-1"))
    for token in (None, "nobody"):
        assert site.read("/healthz", token=token) == {"alive": True}
        assert site.read("/readyz", token=token) == {"degraded": []}
        for path in ("/healthz", "/readyz"):
            assert site.send("HEAD", path, token=token).status_code == 200


def test_an_unknown_parameter_of_a_check_does_no_harm(site: Site) -> None:
    """Some platforms add a parameter against caches."""
    assert site.read("/healthz", token=None, t=1) == {"alive": True}
    is_problem(site.get(f"{LIST}", t=1), 422)


def test_warnings_say_what_is_wrong_and_what_to_do(open_site: Callable[..., Site], valkey: Engine) -> None:
    (node,) = valkey.nodes
    known = {"public_url": "https://calls.example.com", "verify_get_hash": True}
    site = open_site(signature_secrets=(("a1b2c3d4", "s" * 32),), **known)
    assert site.read("/status")["service"]["warnings"] == []
    node.client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        (warning,) = site.read("/status")["service"]["warnings"]
    finally:
        node.client.config_set("maxmemory-policy", "noeviction")
    assert "maxmemory-policy allkeys-lru" in warning
    assert "set it to noeviction" in warning
    unsigned = open_site(**known)
    (warning,) = unsigned.read("/status")["service"]["warnings"]
    assert "until VONAGE_SIGNATURE_SECRETS is set" in warning
