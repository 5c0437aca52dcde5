"""Reads a PostgreSQL login from a secret: its keys, and the TLS mode."""

import ssl
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import botocore

from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.values import dataclass

SYSTEM = "system"
_PORT = 5432
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# `allow` and `prefer` are not accepted: they do not verify the server, and may fall back to plain text.
_TLS_MODES = ("verify-full", "verify-ca", "require")


@dataclass(frozen=True)
class Login:
    """The login at a database. `ca_bundle` is a path; "" if `sslmode` does not verify the certificate."""

    host: str
    port: int
    username: str
    password: str = field(repr=False)
    database: str
    sslmode: str
    ca_bundle: str


def parse_login(name: str, secret: Mapping[str, Any], ca_bundle: str) -> Login:
    """Return the login in a secret of the form that Secrets Manager uses for RDS.

    Args:
        name: The environment variable that holds the secret's ARN. It is for messages.
        secret: `host`, `username`, `password`, and `database` or `dbname`. Optional: `port` (default 5432), `sslmode`
            and `sslrootcert`. `sslmode` is `verify-full` by default, which verifies the server's certificate and name.
            It can be `verify-ca` or `require`, and `disable` for a server on this machine.
        ca_bundle: The setting DATABASE_CA_BUNDLE, used if the secret has no `sslrootcert`. Both are the path of a file
            of certificates, or `system` for the public authorities.

    Raises:
        ConfigurationError: A key is missing or invalid. The message names `name` and the key.
    """
    engine = secret.get("engine")
    if engine is not None and "postgres" not in str(engine):
        raise ConfigurationError(f"the secret {name} has engine {engine!r}: give the login of a PostgreSQL database")
    host = _text(name, secret, "host")
    sslmode = str(secret.get("sslmode") or _TLS_MODES[0])
    if sslmode not in _TLS_MODES and not (sslmode == "disable" and host in _LOOPBACK):
        raise ConfigurationError(
            f"the secret {name} has sslmode {sslmode!r}: give {', '.join(_TLS_MODES)}, or leave it out; "
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
    value = next((secret[key] for key in keys if secret.get(key)), None)
    if not isinstance(value, str):
        raise ConfigurationError(f"the secret {name} has no {' or '.join(map(repr, keys))}: add it as a string")
    return value


def _port(name: str, value: Any) -> int:
    if value is None:
        return _PORT
    try:
        return int(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"the secret {name} has port {value!r}: give a number") from error


def _bundle(name: str, ca_bundle: str) -> str:
    path = _public_authorities() if ca_bundle == SYSTEM else Path(ca_bundle)
    if not path.is_file():
        raise ConfigurationError(
            f"{name}: the file of certificates {ca_bundle} does not exist: put it into the package, or give `{SYSTEM}`"
        )
    return str(path)


def _public_authorities() -> Path:
    """Return the file of the public authorities' certificates, from the system or from botocore.

    libpq's own `sslrootcert=system` does not work: the OpenSSL in psycopg's wheels uses the path of its build machine.
    """
    system_file = ssl.get_default_verify_paths().cafile
    return Path(system_file) if system_file else Path(botocore.__file__).with_name("cacert.pem")
