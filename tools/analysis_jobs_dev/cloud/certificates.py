"""The TLS certificate of the local cloud. The key of the authority that signs it is never written to disk.

TLS is needed: the policies of the buckets and queues deny every request without it.
"""

import os
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

HOSTS = ("127.0.0.1", "localhost", "*.execute-api.localhost")


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: the server's certificate chain, its key, and the bundle of authorities that clients trust.

    The bundle holds the authorities of this system and ours.
    """

    chain: Path
    key: Path
    bundle: Path


def certificates(folder: Path) -> Certificates:
    """Return the certificates kept in the folder; make them on first use."""
    found = Certificates(folder / "chain.pem", folder / "key.pem", folder / "bundle.pem")
    if not all(path.is_file() for path in (found.chain, found.key, found.bundle)):
        folder.mkdir(parents=True, exist_ok=True)
        _make(found)
    return found


def _make(paths: Certificates) -> None:
    authority = trustme.CA(organization_name="analysis-jobs local authority")
    server = authority.issue_cert(*HOSTS, organization_name="analysis-jobs local cloud")
    paths.key.touch(mode=0o600)
    paths.key.write_bytes(server.private_key_pem.bytes())
    ours = authority.cert_pem.bytes()
    paths.chain.write_bytes(b"".join(blob.bytes() for blob in server.cert_chain_pems) + ours)
    paths.bundle.write_bytes(_system_bundle() + ours)


def _system_bundle() -> bytes:
    """Return the authorities that this machine trusts already: AWS_CA_BUNDLE replaces that list."""
    paths = ssl.get_default_verify_paths()
    for candidate in (os.environ.get("SSL_CERT_FILE"), paths.cafile, paths.openssl_cafile):
        if candidate and Path(candidate).is_file():
            return Path(candidate).read_bytes() + b"\n"
    return b""
