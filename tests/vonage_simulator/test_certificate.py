"""Clients trust the certificate through its authority, and nobody else can read the keys."""

from __future__ import annotations

import socket
import ssl
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography import x509
from vonage_jwt import JwtClient

from vonage_simulator import certificate
from vonage_simulator.certificate import Certificate, application_keys, make


def shake_hands(server: Certificate, ca: Path, name: str) -> str | None:
    """Connect to *name* with TLS, trusting only *ca*; the version agreed on."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server.cert, server.key)
    local, other = socket.socketpair()

    def serve() -> None:
        try:
            with context.wrap_socket(other, server_side=True) as there:
                there.recv(1)
        except (ssl.SSLError, ConnectionError):
            pass  # the client closed the connection: that is what is tested
        finally:
            other.close()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        client = ssl.create_default_context(cafile=ca)
        client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default since Python 3.13
        with client.wrap_socket(local, server_hostname=name) as here:
            here.send(b"!")
            return here.version()
    finally:
        local.close()
        serving.join()


def rights(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_a_client_that_trusts_the_authority_connects(tmp_path: Path, name: str) -> None:
    made = make(tmp_path / "tls")
    assert shake_hands(made, made.ca, name) == "TLSv1.3"


def test_it_is_refused_for_other_names_and_by_other_authorities(tmp_path: Path) -> None:
    made, other = make(tmp_path / "one"), make(tmp_path / "other")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(made, made.ca, "api.nexmo.com")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(made, other.ca, "localhost")


def test_only_the_owner_can_read_private_keys_and_the_authoritys_is_not_stored(tmp_path: Path) -> None:
    made = make(tmp_path)
    private, _ = application_keys(tmp_path)
    assert rights(made.key) == rights(private) == 0o600
    assert {file.name for file in tmp_path.iterdir() if "PRIVATE" in file.read_text()} == {"server.key", "private.key"}


def test_existing_files_are_used_again(tmp_path: Path) -> None:
    made = make(tmp_path)
    before = [file.read_bytes() for file in (made.ca, made.cert, made.key)]
    assert make(tmp_path) == made
    assert [file.read_bytes() for file in (made.ca, made.cert, made.key)] == before


def test_a_certificate_is_valid_a_few_days_and_renewed_before_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make(tmp_path)
    before = made.cert.read_bytes()
    ends = x509.load_pem_x509_certificate(before).not_valid_after_utc
    assert timedelta(days=6) < ends - datetime.now(UTC) <= timedelta(days=7)

    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=6, minutes=1)

    monkeypatch.setattr(certificate, "datetime", Later)
    assert make(tmp_path).cert.read_bytes() != before


@pytest.mark.parametrize("spoilt", ["ca.pem", "server.pem", "server.key"])
@pytest.mark.parametrize("how", ["gone", "torn", "another's"])
def test_files_that_do_not_belong_together_are_replaced(tmp_path: Path, spoilt: str, how: str) -> None:
    made, other = make(tmp_path / "one"), make(tmp_path / "other")
    file = tmp_path / "one" / spoilt
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(b"-----BEGIN" if how == "torn" else (tmp_path / "other" / spoilt).read_bytes())
    assert make(tmp_path / "one") == made
    assert shake_hands(made, made.ca, "localhost")
    assert other.ca.read_bytes() != made.ca.read_bytes()


def test_the_applications_keys_are_a_pair_that_vonages_sdk_signs_with(tmp_path: Path) -> None:
    private, public = application_keys(tmp_path)
    token = JwtClient("an-application", str(private)).generate_application_jwt()
    assert jwt.decode(token, public, algorithms=["RS256"])["application_id"] == "an-application"
    assert JwtClient("an-application", private.read_text()), "a key as text is accepted too"
    assert application_keys(tmp_path) == (private, public)


def test_a_truncated_application_key_is_replaced(tmp_path: Path) -> None:
    private, public = application_keys(tmp_path)
    private.write_text("-----BEGIN PRIVATE KEY-----\n")
    private, another = application_keys(tmp_path)
    assert another != public
    assert rights(private) == 0o600
    assert JwtClient("an-application", str(private)).generate_application_jwt()
