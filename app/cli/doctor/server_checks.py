"""What `flask doctor` finds on this machine and at PUBLIC_URL: settings, data folder, flows, TLS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.cli.doctor.finding import Finding
from app.cli.doctor.public_address import public_address
from app.cli.doctor.redis_checks import megabytes
from app.cli.doctor.unreachable import OWN_AUTHORITY, certificate_refused, why
from app.cli.flows.flows_file import faults_text, read
from app.client import Connection
from config.settings import Settings

LEAST_FREE: Final = 100 * 2**20  # bytes
# Vonage waits as long for an NCCO: https://developer.vonage.com/en/voice/voice-api/guides/troubleshooting
SECONDS: Final = 5.0


def server_findings(settings: Settings) -> Iterator[Finding]:
    """All of them. A request goes to PUBLIC_URL, if it is set."""
    yield from settings_findings(settings)
    yield data_folder(settings.data_dir)
    yield flows(settings.flows_file)
    if settings.public_url is not None:  # else it is in the notes of the settings
        yield from public_address(settings)
        yield public_url(settings.public_url)


def settings_findings(settings: Settings) -> Iterator[Finding]:
    """What the server prints at its start. What makes it refuse to start ends this command, too."""
    notes = settings.notes()
    for note in notes:
        yield Finding("fault" if note.alarm else "advice", "settings", str(note), note.do)
    if not notes:
        yield Finding("ok", "settings", settings.app_env)


def data_folder(folder: Path) -> Finding:
    """Whether a file can be written in DATA_DIR, and how much room is left."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        do = "Let this user write there, or set DATA_DIR to another folder."
        return Finding("fault", "data folder", f"{folder}: {error.strerror}", do)
    if free < LEAST_FREE:
        do = "Make room, or set DATA_DIR to another folder."
        return Finding("fault", "data folder", f"{folder}: {megabytes(free)} free", do)
    return Finding("ok", "data folder", f"{folder}: {megabytes(free)} free")


def flows(file: Path) -> Finding:
    """Whether the flows file has a fault."""
    if faults := read(file).faults:
        do = "Mend it: while the server starts with it, every caller hears the last resort."
        return Finding("fault", "call flows", faults_text(file, faults), do)
    return Finding("ok", "call flows", str(file))


def public_url(url: str) -> Finding:
    """Whether /healthz is found at PUBLIC_URL, with a valid certificate if that is https."""
    import requests

    about = "public URL and its TLS" if url.startswith("https:") else "public URL"
    try:
        response = Connection(url).request("GET", "/healthz", timeout=SECONDS)
    except requests.RequestException as error:
        do = "Start the server, and see that PUBLIC_URL leads to it from outside."
        if certificate_refused(error):
            do = f"Renew it, and let the server send its whole chain. {OWN_AUTHORITY}"
        return Finding("fault", about, f"{url} cannot be reached ({why(error)})", do)
    if response.status_code != 200 or b'"alive"' not in response.content:
        do = "PUBLIC_URL leads to another server, or a proxy in front does not pass /healthz on."
        return Finding("fault", about, f"{url}/healthz answers {response.status_code}, not as a Switchhook does", do)
    return Finding("ok", about, f"{url}/healthz answers")
