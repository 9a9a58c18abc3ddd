"""Every setting once: its variable, type, default and meaning.

The fields of Settings are the table: `load` reads the environment by it, the README is checked against it (SETTINGS),
and all that is wrong or missing is reported by it, in one SettingsError.
"""

import fcntl
import json
import os
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlsplit
from uuid import UUID

from environs import Env, EnvValidationError, ValidationError, validate

# Below this a token or key can be guessed: 16 characters are 64 bits, even if they are hex digits.
LEAST_SECRET_LENGTH = 16
LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Vonage's guide loads the SDK from this network; here a version is named, so that it is known what is loaded, and its
# hash. https://developer.vonage.com/en/vonage-client-sdk/add-sdk-to-your-app/javascript
CLIENT_SDK = "https://cdn.jsdelivr.net/npm/@vonage/client-sdk@2.3.1/dist/vonageClientSDK.min.js"
# Of dist/vonageClientSDK.min.js in the npm package, which that network passes on unchanged.
CLIENT_SDK_HASH = "sha384-dk7z/polGwaDxv5qhIrwAwHwvdINB/nJRK2KKQ0wQvapWbFosy3Qd47T2zsnsnfd"
# Where the SDK connects to, in its three regions and their data centres; its statistics for Vonage (hlg.tokbox.com) are
# left out. https://developer.vonage.com/en/vonage-client-sdk/configure-data-center, and version 2.3.1 itself
CLIENT_SDK_HOSTS = tuple(
    f"{scheme}://{kind}-{region}.vonage.com"
    for region in (f"{name}{centre}" for name in ("us", "eu", "ap") for centre in ("", "-3", "-4"))
    for scheme, kind in (("https", "api"), ("https", "ws"), ("wss", "ws"))
)
# As `app.store.sentinel` reads it.
SENTINELS = re.compile(
    r"rediss?\+sentinel://([^@/\s]*@)?[^@/:,\s]+(:[0-9]+)?(,[^@/:,\s]+(:[0-9]+)?)*/[^/?\s]+(/[0-9]+)?(\?\S*)?"
)
SIGN: Final = "Set VONAGE_SIGNATURE_SECRETS=API_KEY:SIGNATURE_SECRET"
USER = re.compile(r"user/[^/]{1,200}")  # the role of an application's user: the name is part of addresses


class SettingsError(Exception):
    """Some settings are wrong or missing: one line for each, with its variable, what is wrong and what to do.

    The message never holds a value, because it may be a secret; only the path of a file that is not there.
    """


class Kind(NamedTuple):
    """A type of setting: how it is described, and how environs reads the variable of that name."""

    words: str
    read: Callable[[Env, str], Any]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One line of the table in the README."""

    variable: str
    type: str
    default: str
    meaning: str


class Note(str):
    """A sentence for whoever runs the server, without secrets. `text` % `values` is it, for translating *text*.

    *do*: what to do about it. *alarm*: it must be mended; else it may stay so.
    """

    __slots__ = ("alarm", "do", "text", "values")
    text: str
    do: str
    values: Mapping[str, str]
    alarm: bool

    def __new__(cls, text: str, *, do: str, alarm: bool = False, **values: str) -> "Note":
        note = super().__new__(cls, text % values)
        note.text, note.do, note.values, note.alarm = text, do, values, alarm
        return note


def _kind(words: str, convert: Callable[[str], Any]) -> Kind:
    """A type of our own. *convert* returns the value or raises ValidationError, without quoting the text."""
    return Kind(words, lambda env, variable: env.converted(variable, convert=convert))


def _whole(least: int, most: int | None = None) -> Kind:
    bounds = validate.Range(min=least, max=most)
    words = f"whole number, {least} or more" if most is None else f"whole number, {least} to {most}"
    return Kind(words, lambda env, variable: env.int(variable, validate=bounds))


def _one_of(*words: str) -> Kind:
    return Kind(" or ".join(words), lambda env, variable: env.str(variable, validate=validate.OneOf(words)))


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    """`a:b,c:d` as (("a", "b"), ("c", "d")). Only the first colon counts: a secret may hold more."""
    pairs = [entry.partition(":")[::2] for entry in _entries(text)]
    if not pairs:
        raise ValidationError("Holds no entry.")
    for number, (left, right) in enumerate(pairs, 1):
        if not left.strip() or not right.strip():
            raise ValidationError(f"Entry {number} is not two parts with a colon between them.")
    return tuple(dict.fromkeys((left.strip(), right.strip()) for left, right in pairs))


def _access_tokens(text: str) -> tuple[tuple[str, str], ...]:
    pairs = _pairs(text)
    for number, (role, token) in enumerate(pairs, 1):
        if role not in ("viewer", "operator") and not role.startswith("user/"):
            raise ValidationError(f"Entry {number} has a role that is neither viewer, operator nor user/NAME.")
        if role.startswith("user/") and not (USER.fullmatch(role) and role.isprintable()):
            raise ValidationError(f"Entry {number} has a user whose name is empty, too long or has a / in it.")
        if not re.fullmatch(r"[!-~]+", token):  # it travels in a header
            raise ValidationError(f"Entry {number} has a token with blanks or letters outside ASCII.")
    if len({token for _, token in pairs}) < len(pairs):
        raise ValidationError("One token is given two roles.")
    return pairs


def _redis_url(text: str) -> str:
    if SENTINELS.fullmatch(text):
        return text
    try:
        parts = urlsplit(text)
        complete = parts.path if parts.scheme == "unix" else parts.hostname and (parts.port or True)
    except ValueError:  # its message quotes the address, password and all
        complete = None
    if not complete or parts.scheme not in ("redis", "rediss", "unix"):
        raise ValidationError("Not a complete Redis address.")
    return text


def _web_address(text: str) -> str:
    try:
        parts = urlsplit(text)
        complete = parts.hostname and (parts.port or True)
    except ValueError:
        complete = None
    if not complete or parts.scheme not in ("http", "https"):
        raise ValidationError("Not a complete http or https address.")
    if parts.username is not None or parts.query or parts.fragment:
        raise ValidationError("It must have no user, query or fragment.")
    return text.rstrip("/")


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(_web_address(entry) for entry in _entries(text))
    if any(urlsplit(origin).path for origin in origins):
        raise ValidationError("An origin has no path.")
    if any("*" in origin for origin in origins):
        raise ValidationError("An origin must be written out: * is no wildcard here.")
    return origins


def _script_address(text: str) -> str:
    address = _web_address(text)
    if not urlsplit(address).path.endswith(".js"):
        raise ValidationError("Not the address of a script: it does not end in .js.")
    if not re.fullmatch(r"[!-~]+", address) or re.search(r"[;,'\"<>\\*]", address):  # it becomes part of a header
        raise ValidationError("It has characters that no header may hold.")
    return address


def _connect_hosts(text: str) -> tuple[str, ...]:
    entries = tuple(_entries(text))
    if not all(re.fullmatch(r"(https?|wss?)://(\*\.)?[\w.-]+(:[0-9]{1,5})?", entry, re.ASCII) for entry in entries):
        raise ValidationError("An entry is not https:// or wss:// and a host, with or without a colon and a port.")
    return entries


def _ice_servers(text: str) -> tuple[dict[str, Any], ...]:
    """As RTCPeerConnection takes them. https://www.w3.org/TR/webrtc/#rtciceserver-dictionary"""
    try:
        servers = json.loads(text)
    except (ValueError, RecursionError):
        raise ValidationError("Not JSON.") from None
    if not isinstance(servers, list) or not all(isinstance(server, dict) for server in servers):
        raise ValidationError("Not a list of objects.")
    for number, server in enumerate(servers, 1):
        urls = server.get("urls")
        urls = [urls] if isinstance(urls, str) else urls
        if not isinstance(urls, list) or not urls or not all(isinstance(url, str) for url in urls):
            raise ValidationError(f"Entry {number} has no urls: a text, or a list of texts.")
        if not all(re.fullmatch(r"(stuns?|turns?):[!-~]+", url) for url in urls):
            raise ValidationError(f"Entry {number} has a url that does not begin with stun:, stuns:, turn: or turns:.")
        if not all(isinstance(server.get(name, ""), str) for name in ("username", "credential")):
            raise ValidationError(f"Entry {number} has a username or credential that is no text.")
        if any(url.startswith("turn") for url in urls) and not ("username" in server and "credential" in server):
            raise ValidationError(f"Entry {number} is a TURN server: it needs username and credential.")
        if set(server) - {"urls", "username", "credential"}:
            raise ValidationError(f"Entry {number} has a field that is none of urls, username and credential.")
    return tuple(servers)


def _number(text: str) -> str:
    digits = text.removeprefix("+")
    if not re.fullmatch(r"[1-9][0-9]{6,14}", digits):
        raise ValidationError("Not a telephone number with its country code: 7 to 15 digits, no zeros before it.")
    return digits


def _file(text: str) -> Path:
    path = Path(text)
    try:
        there = path.is_file()
    except ValueError:  # no file can have such a name
        there = False
    if not there:
        raise ValidationError(f"There is no such file: {str(path.absolute())!r}.")
    return path


def _application_id(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise ValidationError("Not a UUID.") from None


def _private_key(text: str) -> str:
    """The PEM of an application's key (PKCS #8): its text, where \\n may be a line break, or a file."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # slow to import, and not always needed
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    if "-----BEGIN" not in text:
        try:
            text = Path(text).read_text(encoding="ascii")
        except (OSError, ValueError):  # no word of it: somebody may have put the key here without its first line
            raise ValidationError("It is no PEM, and no file of that name can be read.") from None
    try:
        key = load_pem_private_key(text.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError):  # TypeError: it has a password
        raise ValidationError("Not the PEM of a private key without a password.") from None
    if not isinstance(key, RSAPrivateKey):
        raise ValidationError("Not an RSA key, as Vonage makes them.")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _hosts(text: str) -> tuple[str, ...]:
    entries = tuple(_entries(text))
    if not all(re.fullmatch(r"[\w.-]+:[0-9]{1,5}", entry, re.ASCII) for entry in entries):
        raise ValidationError("An entry is not a host, a colon and a port.")
    return entries


def _api_hosts(text: str) -> tuple[str, ...]:
    entries = tuple(_entries(text))
    if not entries or not all(re.fullmatch(r"[\w.-]+(:[0-9]{1,5})?", entry, re.ASCII) for entry in entries):
        raise ValidationError("An entry is not a host, with or without a colon and a port.")
    return entries


TEXT = Kind("text", lambda env, variable: env.str(variable))
RANDOM_TEXT = Kind("random text, as `openssl rand -hex 32` prints it", lambda env, variable: env.str(variable))
FILE = _kind("file", _file)
FOLDER = Kind("folder", lambda env, variable: env.path(variable))
ON_OFF = Kind("on or off", lambda env, variable: env.bool(variable))
ORIGINS = _kind("https://board.example.com, several separated by commas", _origins)
REDIS_ADDRESS = _kind("redis://…, rediss://…, unix://… or redis+sentinel://…", _redis_url)
TOKENS = _kind("role:token, several separated by commas; the role is viewer, operator or user/NAME", _access_tokens)
SIGNATURE_SECRETS = _kind("api_key:secret, several separated by commas", _pairs)
WEB_ADDRESS = _kind("https://calls.example.com", _web_address)
NUMBER = _kind("7 to 15 digits with the country code", _number)
APPLICATION_ID = _kind("the application's UUID", _application_id)
PRIVATE_KEY = _kind("PEM, with \\n for line breaks, or a file", _private_key)
API_HOSTS = _kind("api.nexmo.com, several separated by commas", _api_hosts)
SCRIPT_ADDRESS = _kind("https://…/vonageClientSDK.min.js", _script_address)
CONNECT_HOSTS = _kind("https://… or wss://…, several separated by commas", _connect_hosts)
ICE_SERVERS = _kind('JSON, as `[{"urls": "stun:stun.example.com"}]`', _ice_servers)
HOSTS = _kind("127.0.0.1:8443, several separated by commas", _hosts)


def _setting(
    variable: str,
    kind: Kind,
    meaning: str,
    *,
    default: Any = MISSING,
    default_words: str = "",
    needed: bool = False,
    secret: bool = False,
) -> Any:
    """One field of Settings.

    *default_words* describe the default where its value says too little; *needed*: production does not start without
    it; *secret*: not shown by repr.
    """
    if not default_words:
        switch = "on" if default else "off"
        plain = switch if isinstance(default, bool) else str(default)
        default_words = "not set" if default in (None, ()) else plain
    row = Setting(variable=variable, type=kind.words, default=default_words, meaning=meaning)
    return field(default=default, repr=not secret, metadata={"row": row, "kind": kind, "needed": needed})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings, read and checked; made by `load`. Tests may build one directly."""

    app_env: str = _setting(
        "APP_ENV",
        _one_of("development", "production"),
        "production has no defaults for what it needs: that must be set",
        default="development",
    )
    host: str = _setting(
        "HOST", TEXT, "address to listen on", default="127.0.0.1", default_words="127.0.0.1; in production 0.0.0.0"
    )
    port: int = _setting("PORT", _whole(1, 65535), "port to listen on", default=8080)
    web_concurrency: int = _setting(
        "WEB_CONCURRENCY", _whole(1), "worker processes; each serves many connections", default=2
    )
    data_dir: Path = _setting(
        "DATA_DIR",
        FOLDER,
        "folder of the events that wait for Redis, of the embedded store, and of the key and token made in development",
        default=Path("var"),
    )
    spool_max_mb: int = _setting(
        "SPOOL_MAX_MB",
        _whole(1),
        "how much of the disk events may take while they wait for Redis; beyond it they get 503",
        default=1024,
    )
    spool_to_log: bool = _setting(
        "SPOOL_TO_LOG",
        ON_OFF,
        "events that still wait when the server stops go to the log, encrypted, for `flask replay`: for a disk that "
        "ends with its instance",
        default=False,
        default_words="off; in production on",
    )
    redis_url: str | None = _setting(
        "REDIS_URL",
        REDIS_ADDRESS,
        "the Redis or Valkey that keeps the calls",
        default=None,
        default_words="the embedded store; needed in production",
        needed=True,
        secret=True,  # it may hold a password
    )
    # Heroku's Redis presents a chain that ends in a certificate of its own, hence off:
    # https://devcenter.heroku.com/articles/connecting-heroku-redis
    redis_tls_verify: bool = _setting(
        "REDIS_TLS_VERIFY", ON_OFF, "refuse a Redis over TLS whose certificate no known authority signed", default=False
    )
    redis_cluster: bool = _setting("REDIS_CLUSTER", ON_OFF, "the address is one node of a Redis Cluster", default=False)
    redis_max_connections: int = _setting(
        "REDIS_MAX_CONNECTIONS",
        _whole(3),  # one writes, one follows the feed, the rest read
        "connections to Redis that each worker may open",
        default=5,
    )
    redis_wait_replicas: int = _setting(
        "REDIS_WAIT_REPLICAS",
        _whole(0),
        "how many replicas confirm what is written before it counts as kept; none: a fail-over may lose the latest",
        default=0,
    )
    signature_secrets: tuple[tuple[str, str], ...] = _setting(
        "VONAGE_SIGNATURE_SECRETS",
        SIGNATURE_SECRETS,
        "who may sign webhooks; give both secrets of a key while you rotate it (a secret cannot hold a comma)",
        default=(),
        default_words="none; needed in production while WEBHOOK_VERIFY is enforce",
        needed=True,
        secret=True,
    )
    application_id: str | None = _setting(
        "VONAGE_APPLICATION_ID", APPLICATION_ID, "webhooks signed for another application are refused", default=None
    )
    private_key: str | None = _setting(
        "VONAGE_PRIVATE_KEY",
        PRIVATE_KEY,
        "key of VONAGE_APPLICATION_ID: with it calls can be acted on, and recordings played",
        default=None,
        secret=True,
    )
    # Basic authentication of the Application API: https://developer.vonage.com/en/api/application.v2
    api_key: str | None = _setting(
        "VONAGE_API_KEY",
        TEXT,
        "the account's API key, with which `flask doctor` reads the application, and sets it",
        default=None,
    )
    api_secret: str | None = _setting(
        "VONAGE_API_SECRET",
        TEXT,
        "the secret of VONAGE_API_KEY; only `flask doctor` uses it",
        default=None,
        secret=True,
    )
    # https://developer.vonage.com/en/voice/voice-api/concepts/regions
    api_hosts: tuple[str, ...] = _setting(
        "VONAGE_API_HOSTS",
        API_HOSTS,
        "hosts of Vonage's Voice API: the usual one, then those of other regions",
        default=(
            "api.nexmo.com",
            *("api-us-3.vonage.com", "api-us-4.vonage.com", "api-eu-3.vonage.com"),
            *("api-eu-4.vonage.com", "api-ap-3.vonage.com", "api-ap-4.vonage.com"),
        ),
        default_words="api.nexmo.com and the hosts of six regions",
    )
    hold_music_url: str | None = _setting(
        "HOLD_MUSIC_URL",
        WEB_ADDRESS,
        "what callers on hold hear, mp3 or 16-bit wav",
        default=None,
        default_words="a tune of this server's",
    )
    connect_to_room: str = _setting(
        "CONNECT_TO_ROOM",
        _one_of("off", "try"),
        "try: a pair that a connect joined is moved into a room when it is to be held or consulted; may end the call",
        default="off",
    )
    recordings_role: str = _setting(
        "RECORDINGS_ROLE", _one_of("operator", "viewer"), "who may play recordings", default="operator"
    )
    recording_hosts: tuple[str, ...] = _setting(
        "RECORDING_HOSTS",
        HOSTS,
        "hosts besides Vonage's that recordings are fetched from, with the application's token: the simulator's;"
        " not in production",
        default=(),
    )
    client_sdk_url: str = _setting(
        "CLIENT_SDK_URL",
        SCRIPT_ADDRESS,
        "script of Vonage's Client SDK, which the phone loads; https in production",
        default=CLIENT_SDK,
        default_words="version 2.3.1 at cdn.jsdelivr.net",
    )
    client_sdk_hosts: tuple[str, ...] | None = _setting(
        "CLIENT_SDK_HOSTS",
        CONNECT_HOSTS,
        "where that script may connect to, besides this server",
        default=None,
        default_words="Vonage's hosts; where the script is from if that is this machine",
    )
    ice_servers: tuple[dict[str, Any], ...] = _setting(
        "ICE_SERVERS",
        ICE_SERVERS,
        "STUN and TURN servers for shared screens, which go from page to page; without any, within one network only",
        default=(),
        default_words="none",
        secret=True,  # it may hold passwords
    )
    log_format: str | None = _setting(
        "LOG_FORMAT",
        _one_of("json", "lines", "pretty"),
        "what a request is in the log: JSON, a line, or, of a webhook, all its fields with whole numbers, as Vonage's"
        " tutorial prints it (pretty: not in production)",
        default=None,
        default_words="json in production, else lines",
    )
    screen_share_events: str = _setting(
        "SCREEN_SHARE_EVENTS",
        _one_of("sharer", "all"),
        "who gets screen_share_started and screen_share_ended: whose screen it is, or all users in the call",
        default="sharer",
    )
    webhook_verify: str = _setting(
        "WEBHOOK_VERIFY",
        _one_of("enforce", "report", "off"),
        "refuse webhooks without a valid signature, only report them, or check no signature; in development, while"
        " there are no secrets, none is checked",
        default="enforce",
    )
    signature_max_age: int = _setting(
        "SIGNATURE_MAX_AGE", _whole(1), "seconds after which a signature is too old", default=300
    )
    verify_get_hash: bool = _setting(
        "VERIFY_GET_HASH",
        ON_OFF,
        "refuse GET webhooks whose payload hash is not of the query; Vonage does not document it fully, hence off:"
        " set it on once /status has counted some as right and none as wrong (webhooks.get_hash)",
        default=False,
    )
    access_tokens: tuple[tuple[str, str], ...] = _setting(
        "ACCESS_TOKENS",
        TOKENS,
        "who may read (viewer) and act (operator), and users of the application (user/Alice), each for their own calls;"
        f" in production {LEAST_SECRET_LENGTH} characters or more",
        default=(),
        default_words="an operator's and one of APP_USER's, made under DATA_DIR; needed in production",
        needed=True,
        secret=True,
    )
    secret_key: str = _setting(
        "SECRET_KEY",
        RANDOM_TEXT,
        f"signs the cookies of logins and the tokens of users; in production {LEAST_SECRET_LENGTH} characters or more",
        default_words="made under DATA_DIR; needed in production",
        needed=True,
        secret=True,
    )
    public_url: str | None = _setting(
        "PUBLIC_URL",
        WEB_ADDRESS,
        "where Vonage reaches this server; https in production (cookies are then sent over https only)",
        default=None,
        default_words="not set; needed in production",
        needed=True,
    )
    trusted_proxies: int = _setting(
        "TRUSTED_PROXIES", _whole(0, 10), "number of proxies in front whose X-Forwarded headers are trusted", default=0
    )
    cors_origins: tuple[str, ...] = _setting(
        "CORS_ORIGINS", ORIGINS, "websites whose scripts may call the API", default=()
    )
    flows_file: Path = _setting(
        "FLOWS_FILE",
        FILE,
        "the call flows: what callers hear; changes take effect without a restart",
        default=Path(__file__).parent / "flows.yaml",
        default_words="config/flows.yaml",
    )
    names_file: Path = _setting(
        "NAMES_FILE",
        FILE,
        "names for telephone numbers and flows; changes take effect without a restart",
        default=Path(__file__).parent / "names.yaml",
        default_words="config/names.yaml",
    )
    app_user: str = _setting("APP_USER", TEXT, "the app user whom the tutorial flow calls", default="Alice")
    caller_number: str | None = _setting(
        "CALLER_NUMBER", NUMBER, "the number the tutorial flow calls from; a leading + is dropped", default=None
    )
    retention_days: int = _setting(
        "RETENTION_DAYS", _whole(1), "days a conversation is kept after its last webhook", default=7
    )
    presume_ended_after: int = _setting(
        "PRESUME_ENDED_AFTER",
        _whole(1),
        "seconds of silence after which a live conversation is presumed ended",
        default=7800,
    )
    max_memory_mb: int | None = _setting(
        "MAX_MEMORY_MB",
        _whole(1),
        "megabytes of Redis above which the oldest ended conversations are deleted",
        default=None,
    )
    mask_numbers: bool = _setting("MASK_NUMBERS", ON_OFF, "viewers see masked phone numbers", default=True)

    @property
    def in_production(self) -> bool:
        """Whether APP_ENV is production."""
        return self.app_env == "production"

    @property
    def local_url(self) -> str:
        """Where this machine reaches the server."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104 - compared
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def base_url(self) -> str:
        """Start of the addresses of flow steps: PUBLIC_URL, else one that only a carrier on this machine reaches."""
        return self.public_url or self.local_url

    @property
    def log_as(self) -> str:
        """What a request is in the log: json, lines or pretty."""
        return self.log_format or ("json" if self.in_production else "lines")

    @property
    def client_sdk_hash(self) -> str | None:
        """Hash of the SDK's script, by which browsers refuse another one; None if it is not known."""
        return CLIENT_SDK_HASH if self.client_sdk_url == CLIENT_SDK else None

    @property
    def phone_hosts(self) -> tuple[str, ...]:
        """Where the phone may connect to, besides this server, as in a Content-Security-Policy."""
        if self.client_sdk_hosts is not None:
            return self.client_sdk_hosts
        script = urlsplit(self.client_sdk_url)
        if script.hostname not in LOOPBACK:
            return CLIENT_SDK_HOSTS
        secure = "s" if script.scheme == "https" else ""  # the simulator's, which is also what it connects to
        return f"http{secure}://{script.netloc}", f"ws{secure}://{script.netloc}"

    @property
    def unsigned_allowed(self) -> bool:
        """Whether unsigned webhooks are accepted: in development, until a signature secret is set.

        So that the first curl works. WEBHOOK_VERIFY set to report or off is handled apart from this.
        """
        return not self.in_production and not self.signature_secrets and self.webhook_verify == "enforce"

    def notes(self) -> list[Note]:
        """What whoever runs the server must know of these settings."""
        notes = []
        if unread := _unread(os.environ):
            known = ", ".join(VONAGE)
            notes.append(
                Note(
                    "No setting of this server: %(unread)s. It reads %(known)s.",
                    do="Correct the name, or remove the variable.",
                    unread=unread,
                    known=known,
                )
            )
        if self.unsigned_allowed:
            notes.append(
                Note(
                    "UNSIGNED WEBHOOKS ARE ACCEPTED from anyone who reaches this port,"
                    " until VONAGE_SIGNATURE_SECRETS is set.",
                    do=f"{SIGN} (dashboard.vonage.com, Settings).",
                    alarm=self.host not in LOOPBACK or self.public_url is not None,
                )
            )
        if self.public_url is None:
            notes.append(
                Note(
                    "PUBLIC_URL is not set: only the simulator on this machine can request the steps of call flows.",
                    do="Set PUBLIC_URL=https://YOUR-SERVER, where Vonage reaches this server.",
                )
            )
        if self.log_as == "pretty":
            notes.append(
                Note(
                    "LOG_FORMAT is pretty: the log has all fields of webhooks, with whole telephone numbers.",
                    do="Set LOG_FORMAT to lines or json.",
                    alarm=True,
                )
            )
        if self.webhook_verify == "off":
            notes.append(
                Note(
                    "WEBHOOK_VERIFY is off: no signature is checked, anybody can report calls.",
                    do=f"Set WEBHOOK_VERIFY=enforce. {SIGN}.",
                    alarm=True,
                )
            )
        if self.webhook_verify == "report":
            notes.append(
                Note(
                    "WEBHOOK_VERIFY is report: webhooks without a valid signature are counted, and accepted.",
                    do="Set WEBHOOK_VERIFY=enforce once `reported` in GET /status no longer grows.",
                )
            )
        if self.signature_secrets and self.webhook_verify == "enforce" and not self.verify_get_hash:
            notes.append(
                Note(
                    "VERIFY_GET_HASH is off: a token that somebody captured is accepted with other parameters by GET,"
                    " for %(seconds)s seconds. Set it on once /status counts some get_hash as right, and none as"
                    " wrong.",
                    do="Set VERIFY_GET_HASH=on once webhooks.get_hash of GET /status has some right, and none wrong.",
                    seconds=str(self.signature_max_age),
                )
            )
        weak = [key for key, secret in self.signature_secrets if len(secret.encode()) < 32]
        if weak:
            # RFC 7518, section 3.2. A long "key" may be a secret written before the colon by mistake.
            named = ", ".join(key if len(key) <= 12 else "(a long one)" for key in dict.fromkeys(weak))
            notes.append(
                Note(
                    "The signature secret of API key %(keys)s works, but HS256 asks for 32 bytes or more.",
                    do="Choose a longer one at Vonage; until all webhooks are signed with it, list both:"
                    " VONAGE_SIGNATURE_SECRETS=API_KEY:NEW,API_KEY:OLD.",
                    keys=named,
                )
            )
        return notes


_REDIS_TLS_URL = Setting(
    variable="REDIS_TLS_URL",
    type=REDIS_ADDRESS.words,
    default="not set",
    meaning="used in place of REDIS_URL: some platforms set both, and only this one is encrypted",
)

SETTINGS: tuple[Setting, ...] = (*(each.metadata["row"] for each in fields(Settings)), _REDIS_TLS_URL)
"""All settings, for the docs and the test that checks them."""


VONAGE = tuple(setting.variable for setting in SETTINGS if setting.variable.startswith("VONAGE_"))


def _unread(variables: Mapping[str, str]) -> str:
    """The names that look like settings for Vonage, and are none: probably one is misspelt."""
    return ", ".join(sorted(name for name in variables if name.upper().startswith("VONAGE_") and name not in VONAGE))


class _Variables(Env):
    """environs over a given mapping; by itself it always reads os.environ first."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(eager=False)  # not one error at a time
        self.add_parser("converted", lambda text, convert: convert(text))
        self._variables = variables

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._variables.get(env_key, default)


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from *environ* (default: os.environ). An empty variable counts as not set.

    In development a secret key and access tokens that are not set are made under DATA_DIR, and stay the same from
    start to start. Raises SettingsError, which names everything that is wrong or missing.
    """
    everything = os.environ if environ is None else environ
    given = {variable: text.strip() for variable, text in everything.items() if text.strip()}
    env = _Variables(given)
    values: dict[str, Any] = {}
    for each in fields(Settings):
        variable = each.metadata["row"].variable
        if variable in given:
            values[each.name] = each.metadata["kind"].read(env, variable)
    if _REDIS_TLS_URL.variable in given:
        values["redis_url"] = REDIS_ADDRESS.read(env, _REDIS_TLS_URL.variable)
    try:
        env.seal()
        problems: dict[str, str] = {}
    except EnvValidationError as error:
        found = cast("dict[str, list[str]]", error.error_messages)
        problems = {variable: " ".join(messages) for variable, messages in found.items()}

    production = values.get("app_env") == "production"
    if production:
        values.setdefault("host", "0.0.0.0")  # noqa: S104 - a platform's router connects from outside
        values.setdefault("spool_to_log", True)
        problems = _what_production_lacks(values) | problems
    problems = _what_lacks_its_pair(values, production=production) | problems
    if not problems and not production:
        data_dir = values.get("data_dir", Path("var"))
        try:
            if "secret_key" not in values:
                values["secret_key"] = _kept(data_dir, "secret_key")
            if "access_tokens" not in values:
                values["access_tokens"] = _made_tokens(data_dir, values.get("app_user", "Alice"))
        except OSError as error:
            problems["DATA_DIR"] = f"No file can be written there: {error.strerror}."
    if problems:
        wanted = {setting.variable: setting.type for setting in SETTINGS}
        lines = [f"{variable}: {problems[variable]} Wanted: {wanted[variable]}." for variable in sorted(problems)]
        if unread := _unread(everything):
            lines.append(f"No setting of this server, misspelt? {unread}")
        raise SettingsError("\n  ".join(["Switchhook cannot start; wrong or missing in the environment:", *lines]))
    return Settings(**values)


def _what_lacks_its_pair(values: Mapping[str, Any], *, production: bool) -> dict[str, str]:
    """Variable -> the other one that it needs. *values*: field -> what was set."""
    problems = {}
    if values.get("redis_cluster") and "redis_url" not in values and not production:
        problems["REDIS_CLUSTER"] = "The embedded store is no cluster: set REDIS_URL too."
    if ("api_key" in values) != ("api_secret" in values):
        lacks = "VONAGE_API_SECRET" if "api_key" in values else "VONAGE_API_KEY"
        problems[lacks] = "Not set, though the other half of it is: VONAGE_API_KEY and VONAGE_API_SECRET."
    if values.get("private_key") and "application_id" not in values:
        problems["VONAGE_PRIVATE_KEY"] = "Of which application? Set VONAGE_APPLICATION_ID too."
    return problems


def _what_production_lacks(values: Mapping[str, Any]) -> dict[str, str]:
    """Variable -> why production cannot start with it. *values*: field -> what was set (None: set, but wrong)."""
    problems = {
        each.metadata["row"].variable: "Not set, and production needs it."
        for each in fields(Settings)
        if each.metadata["needed"] and each.name not in values
    }
    if (values.get("webhook_verify") or "enforce") != "enforce":
        problems.pop("VONAGE_SIGNATURE_SECRETS", None)
    short = f"Shorter than {LEAST_SECRET_LENGTH} characters."
    if len(values.get("secret_key") or "x" * LEAST_SECRET_LENGTH) < LEAST_SECRET_LENGTH:
        problems["SECRET_KEY"] = short
    if any(len(token) < LEAST_SECRET_LENGTH for _, token in values.get("access_tokens") or ()):
        problems["ACCESS_TOKENS"] = f"A token is s{short[1:]}"
    if values.get("recording_hosts"):
        problems["RECORDING_HOSTS"] = "Not in production: whatever a webhook names there would get the token."
    if values.get("log_format") == "pretty":
        problems["LOG_FORMAT"] = "Not in production: the log would have whole telephone numbers."
    if (values.get("client_sdk_url") or "https:").startswith("http:"):
        problems["CLIENT_SDK_URL"] = "Not https, and production needs it."
    if (values.get("public_url") or "https:").startswith("http:"):
        problems["PUBLIC_URL"] = "Not https, and production needs it."
    return problems


def _made_tokens(data_dir: Path, user: str) -> tuple[tuple[str, str], ...]:
    """An operator's, for the board, and one of *user*, for the phone. Raises OSError."""
    tokens = [("operator", _kept(data_dir, "operator_token"))]
    if USER.fullmatch(role := f"user/{user}") and role.isprintable():
        tokens.append((role, _kept(data_dir, "user_token")))
    return tuple(tokens)


def _kept(data_dir: Path, name: str) -> str:
    """The secret in the file *name* under *data_dir*; made if it is not there yet.

    A lock makes processes that start together agree on one secret. Raises OSError.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data_dir / name, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+", encoding="ascii") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = file.read().strip()
        if not kept:
            kept = secrets.token_urlsafe(32)
            file.write(kept + "\n")
        return kept


if __name__ == "__main__":  # run before gunicorn, which reads WEB_CONCURRENCY itself and says nothing if it is wrong
    try:
        load()
    except SettingsError as error:
        sys.exit(str(error))
