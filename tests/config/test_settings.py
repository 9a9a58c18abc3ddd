"""What may be set, what happens when it is not, and how a wrong setting is reported."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from config.settings import SETTINGS, Settings, SettingsError, load
from vonage_simulator.certificate import application_keys

PRODUCTION = {
    "APP_ENV": "production",
    "REDIS_URL": "rediss://:r3dis-password@redis.example.com:6380/0",
    "SECRET_KEY": "s3cret-key-of-32-characters-or-so",
    "PUBLIC_URL": "https://calls.example.com/",
    "ACCESS_TOKENS": "viewer:t0ken-of-the-viewer,operator:t0ken-of-the-operator",
    "VONAGE_SIGNATURE_SECRETS": "abcd1234:signature-secret-of-32-bytes-or-more",
}


def faults(environ: dict[str, str]) -> dict[str, str]:
    """Variable -> what the one error says of it."""
    with pytest.raises(SettingsError) as caught:
        load(environ)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("Switchhook cannot start")
    return dict(line.strip().split(": ", 1) for line in lines)


def in_development(tmp_path: Path, **environ: str) -> Settings:
    return load({"DATA_DIR": str(tmp_path / "var"), **environ})


def test_development_needs_nothing(tmp_path):
    """Loopback only, the embedded store, and unsigned webhooks until a secret is set."""
    settings = in_development(tmp_path)
    assert (settings.host, settings.port, settings.web_concurrency) == ("127.0.0.1", 8080, 2)
    assert settings.redis_url is None
    assert settings.webhook_verify == "enforce"
    assert settings.unsigned_allowed
    assert settings.mask_numbers
    assert any("UNSIGNED" in note for note in settings.notes())


@pytest.mark.parametrize("name", ["none.yaml", ".", "a\0b"])
def test_a_flows_file_that_is_not_there_is_an_error(tmp_path, name):
    assert faults({"DATA_DIR": str(tmp_path), "FLOWS_FILE": str(tmp_path / name)}) == {
        "FLOWS_FILE": f"There is no such file: {str(tmp_path / name)!r}. Wanted: file."
    }
    (tmp_path / "mine.yaml").touch()
    assert in_development(tmp_path, FLOWS_FILE=str(tmp_path / "mine.yaml")).flows_file == tmp_path / "mine.yaml"


def test_production_with_all_it_needs_starts_on_all_addresses():
    settings = load(PRODUCTION)
    assert settings.host == "0.0.0.0"  # noqa: S104 - compared
    assert settings.public_url == "https://calls.example.com"
    assert settings.access_tokens == (
        ("viewer", "t0ken-of-the-viewer"),
        ("operator", "t0ken-of-the-operator"),
    )
    assert not settings.unsigned_allowed
    assert load({**PRODUCTION, "VERIFY_GET_HASH": "on"}).notes() == []
    assert load({**PRODUCTION, "HOST": "127.0.0.1"}).host == "127.0.0.1"


def test_that_a_captured_token_may_carry_another_query_is_said_at_the_start():
    [note] = load({**PRODUCTION, "SIGNATURE_MAX_AGE": "120"}).notes()
    for words in ("VERIFY_GET_HASH is off", "captured", "120 seconds", "/status", "get_hash"):
        assert words in note
    for changed in ({"WEBHOOK_VERIFY": "off"}, {"WEBHOOK_VERIFY": "report"}, {"VERIFY_GET_HASH": "on"}):
        assert not any("VERIFY_GET_HASH" in note for note in load(PRODUCTION | changed).notes()), "nothing more is open"


def test_production_names_everything_missing_at_once():
    assert set(faults({"APP_ENV": "production"})) == set(PRODUCTION) - {"APP_ENV"}


def test_wrong_and_missing_settings_join_one_error():
    """Also where one that is wrong decides what is missing: verification is then taken to be on."""
    found = faults({"APP_ENV": "production", "PORT": "eighty", "WEBHOOK_VERIFY": "maybe"})
    assert set(found) == (set(PRODUCTION) | {"PORT", "WEBHOOK_VERIFY"}) - {"APP_ENV"}
    assert found["PORT"] == "Not a valid integer. Wanted: whole number, 1 to 65535."


@pytest.mark.parametrize("verify", ["report", "off"])
def test_no_signature_secret_is_needed_where_signatures_are_not_enforced(verify):
    settings = load({**PRODUCTION, "VONAGE_SIGNATURE_SECRETS": "", "WEBHOOK_VERIFY": verify})
    assert not settings.unsigned_allowed
    assert any(f"WEBHOOK_VERIFY is {verify}" in note for note in settings.notes())


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("APP_ENV", "staging"),
        ("PORT", "0"),
        ("PORT", "65536"),
        ("WEB_CONCURRENCY", "0"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "http://redis.example.com"),
        ("REDIS_URL", "redis://:hunter2@[::1"),
        ("REDIS_URL", "redis://:hunter2@redis.example.com:port"),
        ("REDIS_URL", "unix:"),
        ("REDIS_TLS_URL", "rediss://"),
        ("REDIS_TLS_VERIFY", "perhaps"),
        ("REDIS_CLUSTER", "on"),  # without an address
        ("REDIS_MAX_CONNECTIONS", "2"),
        ("VONAGE_SIGNATURE_SECRETS", "hunter2"),
        ("VONAGE_SIGNATURE_SECRETS", "abcd1234:"),
        ("VONAGE_SIGNATURE_SECRETS", ","),
        ("VONAGE_APPLICATION_ID", "my-application"),
        ("WEBHOOK_VERIFY", "on"),
        ("SIGNATURE_MAX_AGE", "-1"),
        ("ACCESS_TOKENS", "hunter2"),
        ("ACCESS_TOKENS", "admin:hunter2"),
        ("ACCESS_TOKENS", "viewer:hunter 2"),
        ("ACCESS_TOKENS", "viewer:hunter2,operator:hunter2"),
        ("ACCESS_TOKENS", "user/Alice:hunter2,user/Bob:hunter2"),
        ("ACCESS_TOKENS", "user:hunter2"),
        ("ACCESS_TOKENS", "user/:hunter2"),
        ("ACCESS_TOKENS", "user/a/b:hunter2"),
        ("ACCESS_TOKENS", "user/a\x07b:hunter2"),
        ("ACCESS_TOKENS", f"user/{'x' * 201}:hunter2"),
        ("PUBLIC_URL", "calls.example.com"),
        ("PUBLIC_URL", "https://me:hunter2@calls.example.com"),
        ("PUBLIC_URL", "https://calls.example.com/?token=hunter2"),
        ("TRUSTED_PROXIES", "many"),
        ("CORS_ORIGINS", "https://board.example.com/path"),
        ("CORS_ORIGINS", "*"),
        ("CALLER_NUMBER", "+44 20 7946 0000"),
        ("CALLER_NUMBER", "123456"),
        ("RETENTION_DAYS", "0"),
        ("MAX_MEMORY_MB", "lots"),
        ("MASK_NUMBERS", "sometimes"),
        ("LOG_FORMAT", "tutorial"),
        ("CLIENT_SDK_URL", "cdn.example.com/sdk.js"),
        ("CLIENT_SDK_URL", "https://cdn.example.com/sdk/"),
        ("CLIENT_SDK_URL", "https://cdn.example.com/;script-src *;/sdk.js"),
        ("CLIENT_SDK_URL", "https://cdn.example.com/'unsafe-inline'/sdk.js"),
        ("CLIENT_SDK_URL", "https://cdn.example.com/a b/sdk.js"),
        ("CLIENT_SDK_URL", "https://*/sdk.js"),
        ("CLIENT_SDK_URL", "https://me:hunter2@cdn.example.com/sdk.js"),
        ("CLIENT_SDK_HOSTS", "*"),
        ("CLIENT_SDK_HOSTS", "https:"),
        ("CLIENT_SDK_HOSTS", "https://a.example.com; script-src *"),
        ("CLIENT_SDK_HOSTS", "https://a.example.com/path"),
        ("ICE_SERVERS", "stun:stun.example.com"),
        ("ICE_SERVERS", '{"urls": "stun:stun.example.com"}'),
        ("ICE_SERVERS", '["stun:stun.example.com"]'),
        ("ICE_SERVERS", "[{}]"),
        ("ICE_SERVERS", "[" * 20_000),
        ("ICE_SERVERS", '[{"urls": []}]'),
        ("ICE_SERVERS", '[{"urls": "https://stun.example.com"}]'),
        ("ICE_SERVERS", '[{"urls": "turn:turn.example.com", "credential": "hunter2"}]'),
        ("ICE_SERVERS", '[{"urls": "turn:turn.example.com", "username": 1, "credential": "hunter2"}]'),
        ("ICE_SERVERS", '[{"urls": "stun:stun.example.com", "password": "hunter2"}]'),
    ],
)
def test_a_wrong_value_is_named_with_what_is_wanted_and_never_shown(tmp_path, variable, text):
    found = faults({"DATA_DIR": str(tmp_path / "var"), variable: text})
    assert set(found) == {variable}
    assert "Wanted: " in found[variable]
    assert "hunter" not in found[variable]
    assert not (tmp_path / "var").exists(), "nothing is made before all settings are right"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SECRET_KEY", "hunter2"),
        ("ACCESS_TOKENS", "viewer:t0ken-of-the-viewer,operator:hunter2"),
        ("PUBLIC_URL", "http://calls.example.com"),
        ("CLIENT_SDK_URL", "http://cdn.example.com/sdk.js"),
        ("LOG_FORMAT", "pretty"),
    ],
)
def test_production_requires_stronger_values_of_some_settings(variable, text):
    """What development takes as it is: keys and tokens that can be guessed, and plain http."""
    found = faults({**PRODUCTION, variable: text})
    assert set(found) == {variable}
    assert "hunter2" not in found[variable]


def test_an_empty_variable_counts_as_not_set(tmp_path):
    settings = in_development(tmp_path, PORT="", REDIS_URL="  ", CORS_ORIGINS="")
    assert (settings.port, settings.redis_url, settings.cors_origins) == (8080, None, ())


def test_values_are_read_as_people_write_them(tmp_path):
    settings = in_development(
        tmp_path,
        VONAGE_SIGNATURE_SECRETS="abcd1234:with:colons, abcd1234:next one, ef567890:another",
        VONAGE_APPLICATION_ID="AAAAAAAA-BBBB-CCCC-DDDD-0123456789AB",
        CALLER_NUMBER="+442079460000",
        CORS_ORIGINS="https://a.example.com, http://localhost:3000/",
        VERIFY_GET_HASH="On",
        MASK_NUMBERS="no",
        MAX_MEMORY_MB="25",
    )
    assert settings.signature_secrets == (
        ("abcd1234", "with:colons"),
        ("abcd1234", "next one"),
        ("ef567890", "another"),
    )
    assert settings.application_id == "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
    assert settings.caller_number == "442079460000"
    assert settings.cors_origins == ("https://a.example.com", "http://localhost:3000")
    assert (settings.verify_get_hash, settings.mask_numbers, settings.max_memory_mb) == (True, False, 25)


def test_where_the_phone_connects_to(tmp_path):
    """Vonage's hosts, for the SDK's script of Vonage's guide or one's own copy; the simulator, for its stand-in."""
    vonage = in_development(tmp_path)
    assert {"https://api-us.vonage.com", "wss://ws-eu-4.vonage.com", "https://ws-ap.vonage.com"} < set(
        vonage.phone_hosts
    )
    assert (len(vonage.phone_hosts), len(set(vonage.phone_hosts))) == (27, 27)
    assert vonage.client_sdk_hash is not None
    own = in_development(tmp_path, CLIENT_SDK_URL="https://cdn.example.com/v/sdk.js")
    assert (own.phone_hosts, own.client_sdk_hash) == (vonage.phone_hosts, None)
    for host in ("127.0.0.1:4000", "localhost:4000", "[::1]:4000"):
        simulated = in_development(tmp_path, CLIENT_SDK_URL=f"http://{host}/sdk.js")
        assert simulated.phone_hosts == (f"http://{host}", f"ws://{host}")
    given = in_development(tmp_path, CLIENT_SDK_HOSTS="https://*.vonage.com, wss://a.example.com:8443")
    assert given.phone_hosts == ("https://*.vonage.com", "wss://a.example.com:8443")


def test_ice_servers_are_read_and_their_passwords_not_shown(tmp_path):
    text = (
        '[{"urls": "stun:stun.example.com"},'
        ' {"urls": ["turns:turn.example.com:443?transport=tcp"], "username": "me", "credential": "hunter2"}]'
    )
    settings = in_development(tmp_path, ICE_SERVERS=text)
    assert [server["urls"] for server in settings.ice_servers] == [
        "stun:stun.example.com",
        ["turns:turn.example.com:443?transport=tcp"],
    ]
    assert settings.ice_servers[1]["credential"] == "hunter2"
    assert "hunter2" not in repr(settings)
    assert in_development(tmp_path).ice_servers == ()


def test_the_log_says_whole_numbers_by_choice_alone_and_warns_of_it(tmp_path):
    assert (in_development(tmp_path).log_as, load(PRODUCTION).log_as) == ("lines", "json")
    assert in_development(tmp_path, LOG_FORMAT="json").log_as == "json"
    assert load({**PRODUCTION, "LOG_FORMAT": "lines"}).log_as == "lines"
    warned = [note for note in in_development(tmp_path, LOG_FORMAT="pretty").notes() if "whole telephone" in note]
    assert [note.alarm for note in warned] == [True]


@pytest.mark.parametrize(
    "address",
    [
        *("redis://localhost", "rediss://u:p@r.example.com:1/2", "unix:///tmp/r.sock", "redis+sentinel://a/mine"),
        "rediss+sentinel://u:p%40@a:1,b,c:26379/mine/2?sentinel_password=q",
    ],
)
def test_every_kind_of_redis_address_is_taken(address):
    assert load({**PRODUCTION, "REDIS_URL": address}).redis_url == address


def test_the_encrypted_address_wins_and_is_enough():
    """Some platforms set both; their chain of certificates is accepted unless a setting requires verification."""
    tls = "rediss://:p@tls.example.com:6380"
    settings = load({**PRODUCTION, "REDIS_URL": "redis://:p@plain.example.com:6379", "REDIS_TLS_URL": tls})
    assert settings.redis_url == tls
    assert settings.redis_tls_verify is False
    assert load({**PRODUCTION, "REDIS_URL": "", "REDIS_TLS_URL": tls}).redis_url == tls


def test_what_development_makes_stays_from_start_to_start(tmp_path):
    """For its owner alone; and ACCESS_TOKENS, if set, wins."""
    first = in_development(tmp_path)
    again = in_development(tmp_path)
    assert [role for role, _ in first.access_tokens] == ["operator", "user/Alice"]
    assert len({token for _, token in first.access_tokens if len(token) >= 32}) == 2
    assert (again.access_tokens, again.secret_key) == (first.access_tokens, first.secret_key)
    made = tmp_path / "var"
    assert made.stat().st_mode & 0o777 == 0o700
    assert {path.name: path.stat().st_mode & 0o777 for path in made.iterdir()} == {
        "operator_token": 0o600,
        "secret_key": 0o600,
        "user_token": 0o600,
    }
    assert in_development(tmp_path, APP_USER="Bob").access_tokens[1] == ("user/Bob", first.access_tokens[1][1])
    assert len(in_development(tmp_path, APP_USER="a/b").access_tokens) == 1, "no user's name in an address"
    assert in_development(tmp_path, ACCESS_TOKENS="viewer:mine").access_tokens == (("viewer", "mine"),)
    users = in_development(tmp_path, ACCESS_TOKENS="user/Alice Ä:one, user/Bob:two:3").access_tokens
    assert users == (("user/Alice Ä", "one"), ("user/Bob", "two:3"))


def test_servers_that_start_together_agree_on_the_token(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        settings = list(pool.map(lambda _: in_development(tmp_path), range(16)))
    assert len({(each.access_tokens, each.secret_key) for each in settings}) == 1


def test_a_data_dir_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "var").write_text("a file is in the way")
    assert set(faults({"DATA_DIR": str(tmp_path / "var")})) == {"DATA_DIR"}


def test_production_makes_no_files(tmp_path):
    load({**PRODUCTION, "DATA_DIR": str(tmp_path / "var")})
    assert not (tmp_path / "var").exists()


def test_neither_dotenv_files_nor_the_real_environment_slip_in(tmp_path, monkeypatch):
    (tmp_path / ".env").write_text("PORT=1111\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PORT", "2222")
    assert in_development(tmp_path).port == 8080
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "var"))
    assert load().port == 2222, "by default load reads the real one"


def test_no_secret_is_shown_when_settings_are_printed():
    shown = repr(load(PRODUCTION))
    assert "calls.example.com" in shown
    for secret in ("r3dis-password", "s3cret-key", "t0ken-of", "signature-secret"):
        assert secret not in shown


def test_a_short_signature_secret_is_noted_by_its_key_only(tmp_path):
    """Even where somebody wrote the secret in front of the colon and the key behind it."""
    settings = in_development(tmp_path, VONAGE_SIGNATURE_SECRETS="abcd1234:short,wrong-way-round-secret:ef567890")
    [note] = (note for note in settings.notes() if "secret" in note)
    assert "abcd1234" in note
    assert "short" not in note
    assert "wrong-way-round-secret" not in note


def test_the_table_lists_every_setting_once():
    variables = [setting.variable for setting in SETTINGS]
    assert len(variables) == len(set(variables)) == len(fields(Settings)) + 1  # REDIS_TLS_URL has no field
    for setting in SETTINGS:
        assert re.fullmatch(r"[A-Z_]+", setting.variable)
        assert setting.type
        assert setting.default
        assert setting.meaning


def test_a_misspelt_setting_for_vonage_is_named(monkeypatch, tmp_path):
    for name in ("VONAGE_SIGNATURE_SECRET", "vonage_application_id"):
        monkeypatch.setenv(name, "abcd1234:hunter2")
    environ = {"DATA_DIR": str(tmp_path), "VONAGE_SIGNATURE_SECRET": "abcd1234:hunter2"}
    (note,) = (note for note in load(environ).notes() if "No setting" in note)
    assert "VONAGE_SIGNATURE_SECRET, vonage_application_id" in note
    assert "It reads VONAGE_SIGNATURE_SECRETS, VONAGE_APPLICATION_ID" in note
    assert "hunter2" not in note
    with pytest.raises(SettingsError, match=r"misspelt[?] VONAGE_SIGNATURE_SECRET") as caught:
        load({"APP_ENV": "production", **environ})
    assert "hunter2" not in str(caught.value)


def test_the_private_key_is_a_pem_or_a_file(tmp_path: Path) -> None:
    """Platforms' variables have one line, and vonage's own tools take a path."""
    file, _ = application_keys(tmp_path)
    pem, application = file.read_text(), {"VONAGE_APPLICATION_ID": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"}
    for given in (pem, pem.strip().replace("\n", "\\n"), str(file)):
        settings = load({**application, "VONAGE_PRIVATE_KEY": given, "DATA_DIR": str(tmp_path)})
        assert settings.private_key == pem
        assert "PRIVATE KEY" not in repr(settings)


def test_a_private_key_that_is_none_is_named_and_never_shown(tmp_path: Path) -> None:
    pem = application_keys(tmp_path)[0].read_text()
    elliptic = ec.generate_private_key(ec.SECP256R1())
    other = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    locked = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")).decode()
    for given, words in (
        (pem.replace("-----BEGIN", "BEGIN"), "no file of that name"),
        ("secret/none.key", "no file of that name"),
        (str(tmp_path), "no file of that name"),
        (pem[:200] + "\n-----END PRIVATE KEY-----", "Not the PEM"),
        (other, "Not an RSA key"),
        (locked, "without a password"),
    ):
        with pytest.raises(SettingsError) as refused:
            load({"VONAGE_PRIVATE_KEY": given, "VONAGE_APPLICATION_ID": "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"})
        assert "VONAGE_PRIVATE_KEY" in str(refused.value)
        assert words in str(refused.value)
        assert len(given) < 60 or given[30:60] not in str(refused.value)
        assert "secret" not in str(refused.value)
    with pytest.raises(SettingsError, match="Set VONAGE_APPLICATION_ID too"):
        load({"VONAGE_PRIVATE_KEY": pem})


def test_production_trusts_vonages_hosts_alone() -> None:
    with pytest.raises(SettingsError, match="RECORDING_HOSTS: Not in production"):
        load({**PRODUCTION, "RECORDING_HOSTS": "127.0.0.1:8443"})
    for wrong in ("127.0.0.1", "https://127.0.0.1:8443", "host:port", "a b:1"):
        with pytest.raises(SettingsError, match="RECORDING_HOSTS: An entry"):
            load({"RECORDING_HOSTS": wrong})


def test_an_alarm_is_what_must_be_mended(tmp_path: Path) -> None:
    alone = {note.text: note.alarm for note in load({"DATA_DIR": str(tmp_path)}).notes()}
    outside = {note.text: note.alarm for note in load({"DATA_DIR": str(tmp_path), "HOST": "::"}).notes()}
    assert not any(alone.values()), "the first thing anybody sees is no alarm"
    assert [text[:8] for text, alarm in outside.items() if alarm] == ["UNSIGNED"]
    assert [note.alarm for note in load({**PRODUCTION, "WEBHOOK_VERIFY": "off"}).notes()][:1] == [True]
