"""Certificates and keys for the simulated Voice API: Vonage's clients use nothing but HTTPS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

DAYS = 7  # that a certificate is valid
RENEWED = timedelta(days=1)  # before its end: a simulation that runs over night keeps what it began with
NAMES = ("localhost", "127.0.0.1", "::1")
KEY_BITS = 2048  # of an application's key, as Vonage makes them


@dataclass(frozen=True, slots=True)
class Certificate:
    """Paths of the files, all PEM. Clients are given `ca`, for example as `REQUESTS_CA_BUNDLE`."""

    ca: Path
    cert: Path
    key: Path


def make(folder: Path) -> Certificate:
    """Return the certificate for this machine in *folder*, made or renewed if need be.

    The key of the authority that signs it is never written: nobody can have another certificate of it, so it is safe to
    trust.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = Certificate(ca=folder / "ca.pem", cert=folder / "server.pem", key=folder / "server.key")
    if not _is_good(found):
        authority = trustme.CA(organization_name="Switchhook simulator")
        now = datetime.now(UTC)
        made = authority.issue_cert(
            *NAMES,
            not_before=now - timedelta(hours=1),  # a clock may be behind
            not_after=now + timedelta(days=DAYS),
        )
        _write_key(found.key, made.private_key_pem.bytes())
        made.cert_chain_pems[0].write_to_path(found.cert)
        authority.cert_pem.write_to_path(found.ca)
    return found


def application_keys(folder: Path) -> tuple[Path, str]:
    """Return the path of an application's private key, and its public key as PEM; made in *folder* if need be.

    RSA of 2048 bits. The private key is unencrypted PKCS #8 in `private.key`, as from Vonage's dashboard:
    https://developer.vonage.com/en/getting-started/concepts/authentication#json-web-tokens
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "private.key"
    key = _application_key(file)
    if key is None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        _write_key(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return file, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _application_key(file: Path) -> rsa.RSAPrivateKey | None:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):  # missing, torn, or with a password: make another
        return None
    return key if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= KEY_BITS else None


def _is_good(found: Certificate) -> bool:
    """Whether the three files belong together, and the certificate is valid for a while yet."""
    try:
        ca = x509.load_pem_x509_certificate(found.ca.read_bytes())
        cert = x509.load_pem_x509_certificate(found.cert.read_bytes())
        key = load_pem_private_key(found.key.read_bytes(), password=None)
        cert.verify_directly_issued_by(ca)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    valid = cert.not_valid_before_utc <= datetime.now(UTC) < cert.not_valid_after_utc - RENEWED
    return valid and cert.public_key() == key.public_key()


def _write_key(file: Path, pem: bytes) -> None:
    """Write a private key that nobody else can read at any moment."""
    file.unlink(missing_ok=True)
    file.touch(mode=0o600, exist_ok=False)
    file.write_bytes(pem)
