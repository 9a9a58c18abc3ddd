"""The files of each platform: they are right by its own rules, and say the same."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.settings import SETTINGS, Settings, load
from tests.serving import ROOT, Server

PROCFILE = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
HEROKU: dict[str, Any] = json.loads((ROOT / "app.json").read_text())
RENDER: dict[str, Any] = yaml.safe_load((ROOT / "render.yaml").read_text())
FLY: dict[str, Any] = tomllib.loads((ROOT / "fly.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = ROOT / "deploy" / "switchhook.service"
HEALTH, STOP_SECONDS = "/healthz", 30
NEEDED = {each.metadata["row"].variable for each in fields(Settings) if each.metadata["needed"]}
KNOWN = {setting.variable for setting in SETTINGS}
# https://devcenter.heroku.com/articles/app-json-schema
HEROKU_FIELDS = {"name", "description", "keywords", "stack", "buildpacks", "formation", "addons", "env", "scripts"}


def unit() -> dict[str, list[str]]:
    """The settings of the unit's service; one may come several times."""
    found: dict[str, list[str]] = {}
    for line in UNIT.read_text().partition("[Service]\n")[2].partition("\n[")[0].splitlines():
        name, _, value = line.partition("=")
        found.setdefault(name, []).append(value)
    return found


def of_docker(instruction: str) -> str:
    """What the Dockerfile says behind *instruction*, over all its lines."""
    found = re.search(rf"^{instruction} ((?:.*\\\n)*.*)", DOCKERFILE, re.MULTILINE)
    assert found is not None, instruction
    return found[1].replace("\\\n", " ")


WEB = next(each for each in RENDER["services"] if each["type"] == "web")
OF_FLY = {
    name
    for line in re.findall(r"^# .*=….*", (ROOT / "fly.toml").read_text(), re.MULTILINE)
    for name in re.findall(r"\w+(?==…)", line)
}
IN_DOCKER = dict(pair.split("=", 1) for pair in shlex.split(of_docker("ENV")))


def test_every_platform_runs_the_same_command() -> None:
    command = PROCFILE["web"]
    assert command == "gunicorn -c config/gunicorn.py wsgi:app"
    assert WEB["startCommand"] == command
    assert FLY["processes"] == {"web": command}
    assert " ".join(json.loads(of_docker('CMD(?= \\["gunicorn)'))) == command
    assert unit()["ExecStart"] == [f"/srv/switchhook/.venv/bin/{command}"]


def test_no_platform_releases_a_flow_with_a_fault() -> None:
    command = PROCFILE["release"]
    assert WEB["preDeployCommand"] == command
    assert FLY["deploy"]["release_command"] == command
    assert unit()["ExecStartPre"] == [f"/srv/switchhook/.venv/bin/{command}"]


def test_every_platform_asks_the_same_whether_it_is_well() -> None:
    assert WEB["healthCheckPath"] == HEALTH
    assert [check["path"] for check in FLY["http_service"]["checks"]] == [HEALTH]
    assert f"{HEALTH}'" in of_docker("HEALTHCHECK")


def test_every_platform_lets_it_end_in_its_own_time() -> None:
    assert WEB["maxShutdownDelaySeconds"] == STOP_SECONDS
    assert (FLY["kill_signal"], FLY["kill_timeout"]) == ("SIGTERM", f"{STOP_SECONDS}s")
    assert (unit()["TimeoutStopSec"], of_docker("STOPSIGNAL")) == ([str(STOP_SECONDS)], "SIGTERM")
    graceful = re.search(r"^graceful_timeout = (\d+)", (ROOT / "config" / "gunicorn.py").read_text(), re.MULTILINE)
    assert graceful is not None
    assert int(graceful[1]) < STOP_SECONDS


@pytest.mark.parametrize(
    ("named", "given"),
    [
        (set(HEROKU["env"]) | {"REDIS_URL"}, {name: each.get("value") for name, each in HEROKU["env"].items()}),
        ({each["key"] for each in WEB["envVars"]}, {each["key"]: each.get("value") for each in WEB["envVars"]}),
        (set(FLY["env"]) | OF_FLY, FLY["env"]),
    ],
    ids=["heroku", "render", "fly"],
)
def test_every_setting_that_is_needed_is_named_and_no_other_word(named: set[str], given: dict[str, str | None]) -> None:
    assert named - KNOWN <= {"PYTHON_VERSION"}
    assert named >= NEEDED | {"VONAGE_PRIVATE_KEY", "VONAGE_APPLICATION_ID", "TRUSTED_PROXIES"}
    assert given["APP_ENV"] == "production"
    secrets = {"REDIS_URL": "redis://localhost", "PUBLIC_URL": "https://calls.example.com", "SECRET_KEY": "s" * 32}
    secrets |= {"ACCESS_TOKENS": f"operator:{'o' * 32}", "VONAGE_SIGNATURE_SECRETS": f"a1b2c3d4:{'x' * 32}"}
    settings = load(secrets | {name: value for name, value in given.items() if value and name in KNOWN})
    assert (settings.in_production, settings.trusted_proxies, settings.web_concurrency) == (True, 1, 2)


def test_heroku_knows_every_field_of_its_file() -> None:
    assert HEROKU.keys() <= HEROKU_FIELDS
    for name, each in HEROKU["env"].items():
        assert each["description"], name
        assert each.keys() <= {"description", "value", "required", "generator"}


def test_the_store_of_render_removes_no_calls_by_itself() -> None:
    (store,) = (each for each in RENDER["services"] if each["type"] == "keyvalue")
    assert (store["maxmemoryPolicy"], store["ipAllowList"]) == ("noeviction", [])
    (url,) = (each["fromService"] for each in WEB["envVars"] if each["key"] == "REDIS_URL")
    assert (url["type"], url["name"], url["property"]) == ("keyvalue", store["name"], "connectionString")


def test_what_waits_on_disk_is_on_a_volume() -> None:
    folder = IN_DOCKER["DATA_DIR"]
    assert of_docker("VOLUME") == FLY["mounts"]["destination"] == FLY["env"]["DATA_DIR"] == folder
    assert IN_DOCKER["APP_ENV"] == "production"
    assert int(IN_DOCKER["PORT"]) == FLY["http_service"]["internal_port"] == int(FLY["env"]["PORT"])
    assert unit()["StateDirectory"] == ["switchhook"]
    assert "DATA_DIR=/var/lib/switchhook" in unit()["Environment"]
    assert "SPOOL_TO_LOG=off" in unit()["Environment"], "for a volume stays; elsewhere what waits goes to the log"
    assert FLY["env"]["SPOOL_TO_LOG"] == "off"


def test_the_dockerfile_has_no_faults() -> None:
    """https://github.com/hadolint/hadolint"""
    command = [str(Path(sys.executable).parent / "hadolint"), "--no-color", str(ROOT / "Dockerfile")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with what the image has: what the Dockerfile copies, and .dockerignore lets through."""
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    folder = tmp_path / "image"
    folder.mkdir()
    for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            assert source in allowed, f".dockerignore keeps {source} back"
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, folder)
    return folder


def test_the_image_has_all_that_the_server_needs(image: Path, tmp_path: Path) -> None:
    environ = {"HOST": "127.0.0.1", "DATA_DIR": str(tmp_path / "data"), "PYTHONDONTWRITEBYTECODE": "1"}
    command = shlex.split(PROCFILE["web"])
    server = Server(tmp_path, command=[sys.executable, "-m", *command], cwd=image, **environ)
    try:
        assert server.ready().post("/voice/answer", {"to": "442079460000", "conversation_uuid": "CON-1"}).status == 200
        assert server.ask("GET", "/docs").status in (200, 401)
    finally:
        server.kill()


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    assert parser.sections() == ["Unit", "Service", "Install"]
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    here = tmp_path / UNIT.name
    here.write_text(UNIT.read_text().replace("/srv/switchhook/.venv/bin/", f"{Path(sys.executable).parent}/"))
    done = subprocess.run(["systemd-analyze", "verify", here], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
