"""The certificate of the local cloud, from an authority that signs once and is then forgotten.

TLS is not decoration here: the policies of the buckets and queues refuse everything else. The
authority's key is never written down, and its name constraints hold it to this machine, so
trusting it costs nothing.
"""

import datetime as dt
import ipaddress
import os
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = dt.timedelta(days=365)
RENEW_BEFORE = dt.timedelta(days=30)
HOSTS = ("localhost", "*.execute-api.localhost")
ADDRESS = ipaddress.ip_address("127.0.0.1")


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: the server's chain and key, and the bundle that its clients trust.

    The bundle has the authorities of this system and ours.
    """

    chain: Path
    key: Path
    bundle: Path


def certificates(folder: Path, now: dt.datetime | None = None) -> Certificates:
    """Return the certificates kept in the folder; new ones if none last another 30 days."""
    now = now or dt.datetime.now(dt.UTC)
    found = Certificates(folder / "chain.pem", folder / "key.pem", folder / "bundle.pem")
    if not _usable(found, now):
        folder.mkdir(parents=True, exist_ok=True)
        _make(found, now)
    return found


def _usable(found: Certificates, now: dt.datetime) -> bool:
    if not all(path.is_file() for path in (found.chain, found.key, found.bundle)):
        return False
    server = x509.load_pem_x509_certificates(found.chain.read_bytes())[0]
    return now + RENEW_BEFORE < server.not_valid_after_utc


def _make(paths: Certificates, now: dt.datetime) -> None:
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _authority(authority_key, now)
    server = _server(server_key, authority, authority_key, now)
    paths.key.touch(mode=0o600)
    paths.key.write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    ours = authority.public_bytes(serialization.Encoding.PEM)
    paths.chain.write_bytes(server.public_bytes(serialization.Encoding.PEM) + ours)
    paths.bundle.write_bytes(_system_bundle() + ours)


def _authority(key: ec.EllipticCurvePrivateKey, now: dt.datetime) -> x509.Certificate:
    name = _name("analysis-jobs local authority")
    only_here = x509.NameConstraints(
        permitted_subtrees=[
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_network(ADDRESS)),
        ],
        excluded_subtrees=None,
    )
    return (
        _builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(only_here, critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: dt.datetime,
) -> x509.Certificate:
    names = [*(x509.DNSName(host) for host in HOSTS), x509.IPAddress(ADDRESS)]
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder(_name("analysis-jobs local cloud"), authority.subject, key, now)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


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


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _system_bundle() -> bytes:
    """Return what this machine trusts already: AWS_CA_BUNDLE replaces that list."""
    paths = ssl.get_default_verify_paths()
    for candidate in (os.environ.get("SSL_CERT_FILE"), paths.cafile, paths.openssl_cafile):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_bytes() + b"\n"
    return b""
