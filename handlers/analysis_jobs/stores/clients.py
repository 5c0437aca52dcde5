"""The boto3 clients of a process: each is made once, and all of them share one TLS context."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from functools import partial
from threading import Lock, RLock
from typing import Any, Literal, TypeAlias, cast

import boto3
from botocore.config import Config

Service: TypeAlias = Literal[
    "dynamodb", "sqs", "s3", "bedrock-runtime", "events", "logs", "sns", "secretsmanager", "ssm", "sts", "textract"
]

# The operations of the job table that return items.
_ITEM_OPERATIONS = ("BatchGetItem", "GetItem", "Query", "UpdateItem")
_FIRST_ERROR = 300


class Clients:
    """Makes the clients of a boto3 session (default: boto3's own).

    `connections` is how many connections each client keeps open (default: botocore's 10). If more requests run at the
    same moment, the others open a new connection each time.
    """

    def __init__(self, session: Any = None, connections: int | None = None) -> None:
        self._session = session or boto3
        self._pool = Config(max_pool_connections=connections) if connections else None
        self._made: dict[tuple[str, Config], Any] = {}
        self._lock = RLock()  # making a client is not thread-safe, and a lazy one may be made by any thread
        self._tls: SharedTls | None = None

    def client(self, service: Service, config: Config, *, lazy: bool = False) -> Any:
        """Return the client of a service with this configuration.

        A client takes 10 to 25 ms of CPU. With `lazy` it is made on first use: for services that many events do not
        need.
        """
        if lazy:
            return _Lazy(partial(self.client, service, config))
        key = (service, config)
        with self._lock:
            if key not in self._made:
                used = config.merge(self._pool) if self._pool else config
                made = self._session.client(service, config=used)
                self._tls = share_tls(made, self._tls)
                if service == "dynamodb":
                    read_items_directly(made)
                self._made[key] = made
            return self._made[key]


class _Lazy:
    """Stands for a client until an attribute of it is used."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


class SharedTls(ssl.SSLContext):
    """A TLS context that loads a list of authorities once.

    urllib3 loads botocore's list again for every new connection, and that takes 28 ms of CPU for its 126 certificates.
    A first `POST /jobs` opens two connections, a worker several for each service.
    """

    @classmethod
    def adopt(cls, context: ssl.SSLContext) -> SharedTls:
        """Return the context itself, as an instance of this class: it keeps its options and ciphers."""
        context.__class__ = cls
        shared = cast("SharedTls", context)
        shared.prepare()
        return shared

    def prepare(self) -> None:
        """Begin without authorities."""
        self._loaded: set[tuple[Any, ...]] = set()
        self._loading = Lock()

    def load_verify_locations(self, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        """Load the authorities, unless they have been loaded before."""
        with self._loading:
            if (given := (cafile, capath, cadata)) not in self._loaded:
                super().load_verify_locations(cafile, capath, cadata)
                self._loaded.add(given)


def share_tls(client: Any, tls: SharedTls | None) -> SharedTls:
    """Give the client this context. Return it; without one, return the client's own, prepared for others.

    Only for clients that verify certificates: urllib3 sets whether to verify on the context. Connections through a
    proxy keep contexts of their own.
    """
    options = client._endpoint.http_session._manager.connection_pool_kw  # noqa: SLF001 - botocore has no interface for this
    options["ssl_context"] = tls or SharedTls.adopt(options["ssl_context"])
    shared: SharedTls = options["ssl_context"]
    return shared


def read_items_directly(client: Any) -> None:
    """Let a DynamoDB client return items as the JSON of the answer contains them.

    botocore tests each value for each of DynamoDB's ten types. For the row of a job that takes a twentieth of the CPU
    of a `GetItem`, and a tenth of that of an `UpdateItem`. The result is the same, except for binary values: they stay
    in base64. No row has one.
    """
    for operation in _ITEM_OPERATIONS:
        client.meta.events.register(f"before-parse.dynamodb.{operation}", _read_directly)


def _read_directly(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] >= _FIRST_ERROR:
        return
    try:
        answer = json.loads(response_dict["body"])
    except ValueError:
        return  # botocore compares the checksum of the body, and sends the request again
    if isinstance(answer, dict):
        customized_response_dict.update(answer)
        response_dict["body"] = b"{}"
