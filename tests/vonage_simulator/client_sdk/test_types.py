"""The type definitions of @vonage/client-sdk judge the stand-in: every member of it is there, with the same signature.

The package is installed into a folder of the test, and nothing of it is kept.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from config.settings import CLIENT_SDK, CLIENT_SDK_HASH
from vonage_simulator.client_sdk.server import script

HERE = Path(__file__).parent
PACKAGES = ("@vonage/client-sdk@2.3.1", "typescript@5.9.3")
OPTIONS = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "esnext")
RESOLVES = ("--moduleResolution", "bundler", "--lib", "es2022,dom", "members.ts")
MEMBERS = (HERE / "members.ts").read_text()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, the compiler, and what the stand-in's script has."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("no node and npm on the path")
    folder = tmp_path_factory.mktemp("types")
    install = ("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", *PACKAGES)
    subprocess.run(install, cwd=folder, check=True, capture_output=True, timeout=240)
    command = ("node", str(HERE / "stand_in.mjs"))
    has = subprocess.run(command, input=script(), capture_output=True, text=True, timeout=60, check=True).stdout
    (folder / "stand_in.ts").write_text(f"export const standIn = {has.strip()} as const;\n")
    return folder


def complaints(project: Path, members: str) -> list[str]:
    """What the compiler says of *members*."""
    (project / "members.ts").write_text(members)
    compiler = project / "node_modules" / "typescript" / "bin" / "tsc"
    command = ("node", str(compiler), *OPTIONS, *RESOLVES)
    said = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120, check=False).stdout
    return said.splitlines()


def test_every_member_is_in_the_package_with_the_same_signature(project: Path) -> None:
    assert complaints(project, MEMBERS) == []


def test_the_server_knows_the_hash_of_the_script_that_pages_load(project: Path) -> None:
    """CLIENT_SDK is that file, as https://www.jsdelivr.com delivers it from the package; pages check its hash."""
    package, _, file = CLIENT_SDK.partition("/npm/")[2].partition("/dist/")
    assert package == PACKAGES[0]
    content = (project / "node_modules" / "@vonage" / "client-sdk" / "dist" / file).read_bytes()
    assert f"sha384-{b64encode(hashlib.sha384(content).digest()).decode()}" == CLIENT_SDK_HASH


@pytest.mark.parametrize(
    ("ours", "wrong", "at"),
    [
        ("unmute(callId: string)", "unmute(callId: string, on: boolean)", "methodsTake"),
        ("serverCall(context?: sdk.Json)", "serverCall(context: number)", "methodsFit"),
        (
            "getUser(userIdOrName: string): Promise<User>",
            "getUser(userIdOrName: string): Promise<number>",
            "methodsFit",
        ),
        ("deleteSession(): Promise<void>;", "deleteSession(): Promise<void>; vanish(): void;", "methodsFit"),
        ("deleteSession(): Promise<void>;", "", "ourMethods"),
        ("reconnecting(): void;", "reconnecting(): void; rung(): void;", "eventsTake"),
        ("legStatus: sdk.LegStatus", "legStatus: sdk.CancelReason", "eventsTake"),
        ("callHangup(callId: string, ", "callHangup(callId: string, legId: string, ", "eventsTake"),
        ("audioRtt: number", "roundTrip: number", "statsFit"),
        ("mos_score: number", "mos_score: string", "qualityFits"),
        ("code: string | null | undefined", "code: number", "errorFits"),
    ],
)
def test_a_member_that_is_not_so_is_found(project: Path, ours: str, wrong: str, at: str) -> None:
    """Without this the test above would pass with a comparison that finds nothing."""
    assert MEMBERS.count(ours) == 1
    line = 1 + MEMBERS.replace(ours, wrong).split("\n").index(
        next(line for line in MEMBERS.split("\n") if line.startswith(f"export const {at}:"))
    )
    found = complaints(project, MEMBERS.replace(ours, wrong))
    assert any(re.match(rf"members\.ts\({line},", complaint) for complaint in found), found


@pytest.mark.parametrize("of", ["HangupReason", "CancelReason", "SessionErrorReason", "VonageErrorType"])
def test_a_value_that_is_not_so_is_found(project: Path, of: str) -> None:
    file = project / "stand_in.ts"
    kept = file.read_text()
    has = json.loads(kept.removeprefix("export const standIn = ").removesuffix(" as const;\n"))
    has[of]["Another"] = "ANOTHER"
    try:
        file.write_text(f"export const standIn = {json.dumps(has)} as const;\n")
        assert complaints(project, MEMBERS)
    finally:
        file.write_text(kept)
