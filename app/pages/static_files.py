"""The files that pages load: styles, scripts, icons.

All are served from here and kept by browsers for a year: the address holds a hash of them all, so it changes with any
of them. One hash for all, not one for each, so that a script imports another by its name alone.
"""

from __future__ import annotations

import gzip
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from flask import Blueprint, Response, abort, request

from app.web.logs import quiet

FOLDER: Final = Path(__file__).parent / "static"
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",  # licences
    ".wav": "audio/wav",  # the music on hold, which Vonage fetches
}
A_DAY: Final = "public, max-age=86400"  # of sound, whose address is in NCCOs, and has no hash
FOR_EVER: Final = "public, max-age=31536000, immutable"
CLIENT: Final = "switchhook.js"
CLIENT_FOLDER: Final = "client"  # of what it imports, by a relative address: so there is one of each wherever it is
HASH_LENGTH: Final = 12  # hex digits

static_files = Blueprint("static_files", __name__, url_prefix="/static")


class _File(NamedTuple):
    content: bytes
    packed: bytes  # by gzip
    type: str


@cache
def _files() -> dict[str, _File]:
    """Every file, by its path below the folder. They are small, and read once."""
    found = {}
    for path in sorted(FOLDER.rglob("*")):
        if path.suffix in TYPES:
            content = path.read_bytes()
            name = path.relative_to(FOLDER).as_posix()
            found[name] = _File(content, gzip.compress(content, mtime=0), TYPES[path.suffix])
    return found


@cache
def version() -> str:
    """The hash of all files and their names."""
    digest = sha256()
    for name, file in _files().items():
        digest.update(f"{name}\0{len(file.content)}\0".encode() + file.content)
    return digest.hexdigest()[:HASH_LENGTH]


def asset(name: str) -> str:
    """The address of the file *name*. Raises KeyError if there is none."""
    _files()[name]
    return f"/static/{version()}/{name}"


@static_files.get(f"/{CLIENT}")
def get_client() -> Response:
    """The JavaScript client, at an address that stays. It holds no secret, so pages of any origin may import it."""
    return _for_any_origin(CLIENT)


@static_files.get(f"/{CLIENT_FOLDER}/<name>")
def get_part_of_client(name: str) -> Response:
    """What the JavaScript client imports."""
    return _for_any_origin(f"{CLIENT_FOLDER}/{name}")


def _for_any_origin(name: str) -> Response:
    response = get_file("", name)
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


@static_files.get("/<digest>/<path:name>")
def get_file(digest: str, name: str) -> Response:
    """One file. With the hash of another version, whose page was loaded before a deploy, it is not kept."""
    file = _files().get(name)
    if file is None:
        abort(404)
    quiet()
    packed = request.accept_encodings["gzip"] > 0
    response = Response(file.packed if packed else file.content, content_type=file.type)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    usual = A_DAY if file.type.startswith("audio/") else "no-cache"
    response.headers["Cache-Control"] = FOR_EVER if digest == version() else usual
    return response
