"""From a secret to how PostgreSQL is reached: the keys, and what TLS must prove."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore

from analysis_jobs.base.errors import ConfigurationError

SYSTEM = "system"
_PORT = 5432
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# What verifies nobody (`allow`, `prefer`) is not in it: then anybody on the way may answer, in plain text too.
_TLS_MODES = ("verify-full", "verify-ca", "require")


@dataclass(frozen=True)
class Login:
    """How one database is reached. `ca_bundle` is a path, "" where the mode asks for none."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    database: str
    sslmode: str
    ca_bundle: str


def login(name: str, secret: Mapping[str, Any], ca_bundle: str) -> Login:
    """Return what a secret says, as Secrets Manager writes it for RDS: host, port, username, password, database.

    The database is `database` or `dbname`. `ca_bundle` (DATABASE_CA_BUNDLE) counts where the secret has no
    `sslrootcert`: a path, or `system` for the public authorities. TLS is on, and proves who the server is
    (`verify-full`); `sslmode` in the secret can lower that to `verify-ca` or `require`, and to `disable` for a server
    on this machine only.

    Raises `ConfigurationError`, which names the secret's variable `name` and the key.
    """
    engine = secret.get("engine")
    if engine is not None and "postgres" not in str(engine):
        raise ConfigurationError(f"the secret {name} is of a database of engine {engine!r}: give one of PostgreSQL")
    host = _text(name, secret, "host")
    sslmode = str(secret.get("sslmode") or _TLS_MODES[0])
    if sslmode not in _TLS_MODES and not (sslmode == "disable" and host in _LOOPBACK):
        raise ConfigurationError(
            f"the secret {name} has sslmode {sslmode!r}: give {', '.join(_TLS_MODES)}, or leave it out for the first; "
            "`disable` is for a server on this machine"
        )
    verifies = sslmode.startswith("verify")
    return Login(
        host=host,
        port=_port(name, secret.get("port")),
        username=_text(name, secret, "username"),
        password=_text(name, secret, "password"),
        database=_text(name, secret, "database", "dbname"),
        sslmode=sslmode,
        ca_bundle=_bundle(name, str(secret.get("sslrootcert") or ca_bundle or SYSTEM)) if verifies else "",
    )


def _text(name: str, secret: Mapping[str, Any], *keys: str) -> str:
    found = next((secret[key] for key in keys if secret.get(key)), None)
    if not isinstance(found, str):
        raise ConfigurationError(f"the secret {name} has no {' or '.join(map(repr, keys))}: give it as a text")
    return found


def _port(name: str, given: Any) -> int:
    if given is None:
        return _PORT
    try:
        return int(given)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the secret {name} has port {given!r}: give a number") from error


def _bundle(name: str, given: str) -> str:
    path = _public_authorities() if given == SYSTEM else Path(given)
    if not path.is_file():
        raise ConfigurationError(
            f"{name}: there is no file {given} of certificates: put it into the package, or give `{SYSTEM}`"
        )
    return str(path)


def _public_authorities() -> Path:
    """Return the public authorities' certificates, of the system or of botocore.

    Not libpq's own `sslrootcert=system`: the OpenSSL within psycopg's wheels looks where it was built, not here.
    """
    of_system = ssl.get_default_verify_paths().cafile
    return Path(of_system) if of_system else Path(botocore.__file__).with_name("cacert.pem")
