"""Certificates and keys that vouch for nobody, made on the spot: Vonage's clients speak nothing but HTTPS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAYS = 7  # that a certificate is good for
RENEWED = timedelta(days=1)  # before its end: a simulation that runs over night ends with what it began with
NAMES = [x509.DNSName("localhost"), *(x509.IPAddress(ip_address(one)) for one in ("127.0.0.1", "::1"))]
KEY_BITS = 2048  # of an application's key, as Vonage makes them


@dataclass(frozen=True, slots=True)
class Certificate:
    """Where the files are, all PEM. Clients are given `ca`, for example as `REQUESTS_CA_BUNDLE`."""

    ca: Path
    cert: Path
    key: Path


def make(folder: Path) -> Certificate:
    """Make a certificate for this machine in *folder*, or take the one that is there while it is good.

    It is good for localhost, 127.0.0.1 and ::1, for `DAYS` days. The authority that signed it is made for it and its
    key never written: nobody can have another certificate of it, so trusting it for a while is safe.
    """
    _private(folder)
    found = Certificate(ca=folder / "ca.pem", cert=folder / "server.pem", key=folder / "server.key")
    if not _good(found):
        _write(found)
    return found


def application_keys(folder: Path) -> tuple[Path, str]:
    """Return where an application's private key is, and its public key as PEM; made in *folder* if there is none.

    RSA of 2048 bits. The private key is unencrypted PKCS #8 in `private.key`, as Vonage's dashboard hands it out:
    https://developer.vonage.com/en/getting-started/concepts/authentication#json-web-tokens
    """
    _private(folder)
    file = folder / "private.key"
    key = _application_key(file)
    if key is None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        _keep(file, key)
    return file, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def _application_key(file: Path) -> rsa.RSAPrivateKey | None:
    try:
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):  # none, a torn one, one with a password: make another
        return None
    return key if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= KEY_BITS else None


def _good(found: Certificate) -> bool:
    """Whether the three files belong together and will be valid for a while yet."""
    try:
        ca = x509.load_pem_x509_certificate(found.ca.read_bytes())
        cert = x509.load_pem_x509_certificate(found.cert.read_bytes())
        key = load_pem_private_key(found.key.read_bytes(), password=None)
        cert.verify_directly_issued_by(ca)
    except (OSError, ValueError, TypeError, InvalidSignature):
        return False
    now = datetime.now(UTC)
    valid = all(one.not_valid_before_utc <= now < one.not_valid_after_utc - RENEWED for one in (ca, cert))
    return valid and cert.public_key() == key.public_key()


def _write(found: Certificate) -> None:
    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    # A name of its own each time: a client that knows an older authority of the same name takes it for this one.
    issuer = _name(f"Switchhook simulator {x509.random_serial_number():x}"[:64])
    ca = (
        _certificate(issuer, authority.public_key(), issuer)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    cert = (
        _certificate(_name("localhost"), key.public_key(), issuer)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(NAMES), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key()), critical=False)
        .sign(authority, hashes.SHA256())
    )
    _keep(found.key, key)
    found.cert.write_bytes(cert.public_bytes(Encoding.PEM))
    found.ca.write_bytes(ca.public_bytes(Encoding.PEM))


def _certificate(subject: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # a clock may be behind
        .not_valid_after(now + timedelta(days=DAYS))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _keep(file: Path, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    """Write a private key so that nobody else could ever read it, not even before its rights are set."""
    file.unlink(missing_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
