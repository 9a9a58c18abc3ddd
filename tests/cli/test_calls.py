"""`flask calls` and `flask call`: stored calls, for people and for programs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.webhooks.schemas import kept_answer
from tests.api.site import OPERATOR, SAMPLE, status
from tests.cli.shell import Inside, Shell
from tests.engines import free_ports, wait_until
from tests.generated import BASE, Body, iso, webhooks_of

PUBLISHED = "CON-8f5a100c-fbce-4218-8d4b-16341335bcd6"
ODD = [
    *(
        "CON-\x1b]0;owned\x07",
        "CON-\x1b[2J\x1b[31m",
        "CON-a\nb",
        "CON-\r\x08",
        "CON-\x9b31m",
        "CON-\u202egnp",
        "CON-\x7f",
    ),
    *("CON-\u2028x", "CON-'\"$(id)", "--help", "-x", "Zoë 李"),
]


def test_calls_are_listed_newest_first(either: Shell) -> None:
    either.record(
        status("ringing", "CON-1", "leg-1", from_="447700900123", to="442079460000", timestamp=iso(BASE)),
        status("completed", "CON-1", "leg-1", timestamp=iso(BASE + timedelta(seconds=11.992)), duration="12"),
        status("busy", "CON-1", "leg-2", to="Alice", timestamp=iso(BASE + timedelta(seconds=5))),
    )
    now = datetime.now(UTC)
    either.record(status("answered", "CON-2", from_="Bob", to="442079460000"), received=BASE + timedelta(hours=9))
    either.record({"conversation_uuid": "CON-3", "payload": {}}, received=now - timedelta(days=1))
    lines = either.output("calls").splitlines()
    assert "waiting                        -  leg-of-CON-2  Bob → 442079460000" in lines[0]
    assert lines[1] == (
        "2126-11-20 12:00:00.000  busy                      12.0 s  leg-1  447700900123 → 442079460000 (Alice busy)"
    )
    assert "presumed ended" in lines[2]
    assert "CON-3  no leg known yet" in lines[2]
    assert len(lines) == 3, "a call of several conversations would be one line, too"
    assert either.output("call", "leg-2").startswith("call leg-1  "), "and each can be shown"


def test_calls_can_be_filtered(inside: Inside) -> None:
    assert inside.output("calls") == "No call is kept yet.\n"
    for number in range(4):
        name = f"CON-{number}"
        inside.site.record(
            status(
                "ringing" if number % 2 else "busy",
                name,
                from_=f"44770090012{number}",
                to="Alice" if number % 2 else "442079460000",
                direction="inbound",
            ),
            received=BASE + timedelta(minutes=number),
        )
    for words, found in (
        (("--limit", "2"), "32"),
        (("--state", "ended"), "20"),
        (("--number", "+44 7700 900123"), "3"),
        (("--number", "0121"), "1"),
        (("--number", "0900121"), "1"),
        (("--outcome", "busy"), "20"),
        (("--missed",), "20"),
        (("--user", "Alice"), "31"),
        (("--user", "Alice", "--number", "0121", "--limit", "1"), "1"),
        (("--state", "live", "--number", "0120"), ""),
    ):
        out = inside.output("calls", *words)
        assert [line.split("CON-")[1][0] for line in out.splitlines() if "CON-" in line] == list(found)
    assert out == "No such call is kept.\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("calls", "--number", "Alice"), "--number"),
        (("calls", "--number", "900123"), "whole, or its last 4 or 7 digits"),
        (("calls", "--state", "over"), "--state"),
        (("calls", "--limit", "0"), "--limit"),
        (("calls", "--limit", "501"), "--limit"),
        (("calls", "--outcome", "fine"), "--outcome"),
        (("call",), "ID"),
        (("forget",), "NUMBER"),
        (("replay", "no-such-file"), "no-such-file"),
        (("replay", str(SAMPLE), "--to", "127.0.0.1:8080"), "--to"),
    ],
)
def test_a_wrong_option_is_named(inside: Inside, words: tuple[str, ...], named: str) -> None:
    code, out, err = inside.run(*words)
    assert (code, out) == (2, "")
    assert named in err


def test_one_call_is_shown_in_full(inside: Inside) -> None:
    """For people with all that is known; for programs as the API returns it to an operator."""
    about = {"conversation_uuid": "CON-1", "uuid": "leg", "timestamp": iso(BASE)}
    move = {"type": "transfer", "uuid": "two", "conversation_uuid_from": "CON-1", "conversation_uuid_to": "CON-2"}
    inside.site.record(
        about | {"status": "answered", "from": "447700900123", "to": "Alice", "direction": "inbound"},
        about | {"status": "completed", "price": "0.00144000", "duration": "0", "sip_code": 200},
        about | {"dtmf": {"digits": "12#"}, "speech": {"results": [{"text": "yes"}]}},
        about | {"recording_url": "https://r.example/1", "recording_uuid": "r"},
        about | {"status": "transcription_failed", "recording_uuid": "r", "error": "Provider timeout"},
        about | {"reason": "Syntax error in NCCO."},
        status("answered", "CON-1", "two", timestamp=iso(BASE)),
        move | {"timestamp": iso(BASE + timedelta(seconds=1))},
    )
    out = inside.output("call", "CON-1")
    for words in (
        *("CON-1  ended", "0.00144000 EUR", "leg leg  inbound  447700900123 → Alice", "billed 0 s", "sip_code 200"),
        *(
            "keys 12#",
            "speech yes",
            "https://r.example/1",
            "failed: Provider timeout",
            "Syntax error in NCCO.",
            "went to CON-2",
            "talked 0.0 s",
        ),
    ):
        assert words in out
    for words in ("call leg  ", "0.00144000 EUR", "┊ ringing", "→ CON-2", "keys 12#"):
        assert words in out, "and the ladder before it"
    for other in ("leg", "two", "CON-1", "CON-2", "r"):
        assert inside.output("call", other) == out, "by any of its ids"
    call = json.loads(inside.output("call", "CON-1", "--json"))
    assert list(call)[:2] == ["id", "state"]
    assert [leg["uuid"] for leg in call["legs"]] == ["leg", "two"]


def test_what_has_ended_without_a_price_awaits_none(inside: Inside) -> None:
    inside.site.record(status("answered", "CON-1", "leg", timestamp=iso(BASE)), received=datetime.now(UTC))
    out = inside.output("call", "leg")
    assert out.count("  not over  no price yet\n") == 2, "the call and its conversation are live"
    move = {"type": "transfer", "uuid": "leg", "conversation_uuid_from": "CON-1", "conversation_uuid_to": "CON-2"}
    inside.site.record(move | {"timestamp": iso(BASE + timedelta(seconds=1))}, received=datetime.now(UTC))
    lines = inside.output("call", "leg").splitlines()
    left, joined = (next(line for line in lines if line.startswith(name)) for name in ("CON-1  ", "CON-2  "))
    assert left.startswith("CON-1  ended  ")
    assert left.endswith("  no price")
    assert joined == "CON-2  live  not over  no price yet"


def test_an_error_is_shown_beside_the_ncco_that_caused_it(inside: Inside) -> None:
    """With its origin, and each action in a line of its own that no text makes longer."""
    talks = [{"action": "talk", "text": f"{'Zoë ' * 40}\x1b[2J"}, {"action": "input", "type": ["dtmf"]}]
    about = {"conversation_uuid": "CON-1", "uuid": "leg"}
    known: list[tuple[Body, Body]] = [
        (about | {"from": "447700900123"}, {"flow": "menu", "step": "welcome", "version": "3f2a91c0", "ncco": talks}),
        (about, {"flow": "last-resort", "fault": "menu/choice: no such step", "ncco": talks[1:]}),
        (about, {"flow": "tutorial", "ncco": []}),
    ]
    for index, (request, served) in enumerate(known):
        answer = kept_answer(request, {"id": str(index), "took_ms": 1.2} | served)
        inside.site.record_webhooks(webhooks_of(answer, BASE + timedelta(seconds=index)))
    said = [(0.5, "Syntax error in NCCO."), (1.5, "Another."), (2.5, "Nothing in it."), (-1, "Before all.")]
    for seconds, reason in said:
        moment = BASE + timedelta(seconds=seconds)
        inside.site.record({"conversation_uuid": "CON-1", "reason": reason, "timestamp": iso(moment)}, received=moment)
    lines = inside.output("call", "CON-1").splitlines()
    first = lines.index("  answered 2126-11-20 12:00:00.000 by menu/welcome (3f2a91c0) in 1.2 ms: talk → input")
    origin = lines[first].removesuffix(" in 1.2 ms: talk → input")[1:]
    assert lines[first + 1 :] == [
        "  answered 2126-11-20 12:00:01.000 by last-resort in 1.2 ms: input",
        "      the last resort: menu/choice: no such step",
        "  answered 2126-11-20 12:00:02.000 by tutorial in 1.2 ms: ",
        "  error 2126-11-20 11:59:59.000  Before all.",
        f"  error 2126-11-20 12:00:00.500  Syntax error in NCCO.  in what was{origin}:",
        f'      {{"action":"talk","text":"{"Zoë " * 40}'[:109] + "…",
        '      {"action":"input","type":["dtmf"]}',
        "  error 2126-11-20 12:00:01.500  Another.  in what was answered 2126-11-20 12:00:01.000 by last-resort:",
        '      {"action":"input","type":["dtmf"]}',
        "  error 2126-11-20 12:00:02.500  Nothing in it.  in what was answered 2126-11-20 12:00:02.000 by tutorial:",
    ]


def test_json_is_the_response_of_the_api_to_an_operator(inside: Inside) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        inside.site.post(line)
    call = json.loads(inside.output("call", PUBLISHED, "--json"))
    assert call == inside.site.read(f"/api/v1/calls/{call['id']}", token=OPERATOR)


def test_curl_commands_are_those_of_the_api(inside: Inside) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        inside.site.post(line)
    commands = inside.output("call", PUBLISHED, "--curl").splitlines()
    assert len(commands) == 7
    assert all(command.startswith("curl -sS -X POST http") for command in commands)


def test_events_of_years_ago_show_their_date(inside: Inside) -> None:
    for line in SAMPLE.read_bytes().splitlines():
        inside.site.post(line)
    out = inside.output("call", PUBLISHED)
    assert "started 2021-03-29 21:20:13.025, answered 21:20:13.025, completed 21:20:17.574" in out
    midnight = datetime(2019, 12, 31, 23, 59, 59, tzinfo=UTC)
    inside.site.record(
        status("started", "CON-1", timestamp=iso(midnight)),
        status("answered", "CON-1", timestamp=iso(midnight + timedelta(seconds=2))),
        {"conversation_uuid": "CON-1", "uuid": "leg-of-CON-1", "dtmf": "1", "timestamp": iso(midnight)},
    )
    out = inside.output("call", "CON-1")
    assert "started 2019-12-31 23:59:59.000, answered 2020-01-01 00:00:01.000" in out
    assert "input 2019-12-31 23:59:59.000  keys 1" in out


def test_an_unknown_call_is_an_error(inside: Inside) -> None:
    code, out, err = inside.run("call", "CON-none")
    assert (code, out) == (1, "")
    assert "No such call" in err
    assert "flask calls" in err


def test_where_a_demo_has_run_its_calls_are_named(beside: Shell) -> None:
    demo = beside.data_dir / "demo"
    demo.mkdir(parents=True)
    hint = f"\nThe demo keeps its calls elsewhere: DATA_DIR={demo} .venv/bin/flask calls\n"
    inside = Inside(beside.engine.url, data_dir=beside.data_dir)
    assert inside.output("calls") == f"No call is kept yet.{hint}"
    assert inside.output("calls", "--missed") == f"No such call is kept.{hint}"
    assert inside.run("call", "CON-none")[2].endswith(hint)
    inside.site.close()


def test_no_name_controls_the_terminal(inside: Inside) -> None:
    """Ids and names can have any characters: those that cannot be printed are shown as escapes."""
    for name in ODD:
        inside.site.record(status("ringing", name, name, from_=f"{name}x", to="Alice", detail=name))
        inside.site.record({"conversation_uuid": name, "reason": f"{name}x"})
    inside.site.record(status("ringing", "CON-\ud800", from_="half \udc00 a pair"))
    outputs = [inside.output("calls", "--limit", "500")]
    assert len(outputs[0].splitlines()) == len(ODD) + 1, "a line each"
    for name in [*ODD, "CON-\ud800"]:
        outputs += [inside.output("call", "--", name), inside.output("call", "--json", "--", name)]
        assert name in json.loads(outputs[-1])["conversations"]
    for line in "".join(outputs).split("\n"):
        assert line.isprintable(), ascii(line)


def test_no_name_controls_a_real_terminal(beside: Shell) -> None:
    beside.record(status("ringing", ODD[0], from_="half \udc00 a pair", to="Zoë"))
    for words in (("calls",), ("call", ODD[0])):
        out = beside.output(*words)
        assert r"CON-\x1b]0;owned\x07" in out
        assert r"half \udc00 a pair → Zoë" in out


def test_redis_that_is_away_is_an_error(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    away = Inside(f"redis://127.0.0.1:{port}")
    for words in (("calls",), ("call", "CON-1"), ("forget", "447700900123", "--yes")):
        code, out, err = away.run(*words)
        assert (code, out) == (1, "")
        assert "Redis is away" in err


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    code, _, err = Shell(tmp_path / "var").run("calls", PORT="many")
    assert code == 1
    assert "PORT" in err


def test_webhooks_of_no_conversation_are_shown(inside: Inside) -> None:
    assert inside.output("unfiled") == "Every webhook that is kept belongs to a conversation.\n"
    inside.site.store.unfile(b'{"status":"x"}', "no conversation", BASE)
    inside.site.store.unfile(b"\xff\x1b[2J", "bad body: no JSON", BASE + timedelta(seconds=1))
    lines = inside.output("unfiled").splitlines()
    assert lines == [
        "2126-11-20 12:00:01.000  bad body: no JSON",
        "      \ufffd\\x1b[2J",
        "2126-11-20 12:00:00.000  no conversation",
        '      {"status":"x"}',
    ]
    assert inside.output("unfiled", "--limit", "1").splitlines() == lines[:2]


def test_the_audit_log_says_who_was_shown_whole_numbers(inside: Inside) -> None:
    assert inside.output("audit") == "Nobody was shown whole telephone numbers yet.\n"
    for number in range(5):
        inside.site.record(status("ringing", f"CON-{number}", from_="447700900123"))
    inside.site.get("/api/v1/conversations", token=OPERATOR, number="447700900123")
    wait_until(lambda: not inside.site.store.answers_waiting, "it is written")
    inside.site.store.ping()
    first, second = inside.output("audit").splitlines()
    assert "  operator " in first
    assert first.endswith("GET /api/v1/conversations?number=********0123")
    assert second.endswith(" and 2 more")
