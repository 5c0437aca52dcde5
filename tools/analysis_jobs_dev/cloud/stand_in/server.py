"""The stand-in server: Bedrock's runtime, Gemini, a token issuer, and controls for tests, on one loopback port.

`python -m analysis_jobs_dev.cloud.stand_in --port 8080` prints its URL and `ready`; SIGINT or SIGTERM end it.
"""

import argparse
import contextlib
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, Self, override
from urllib.parse import unquote
from urllib.request import ProxyHandler, Request, build_opener

from analysis_jobs_dev.cloud.stand_in import script
from analysis_jobs_dev.cloud.stand_in.bedrock import Bedrock
from analysis_jobs_dev.cloud.stand_in.gemini import PATH as GEMINI_PATH
from analysis_jobs_dev.cloud.stand_in.gemini import Gemini
from analysis_jobs_dev.cloud.stand_in.issuer import CONFIGURATION_PATH, KEYS_PATH, Issuer
from analysis_jobs_dev.cloud.stand_in.model_policy import ModelPolicy
from analysis_jobs_dev.cloud.stand_in.refusals import HungUpError, RefusedError
from analysis_jobs_dev.cloud.stand_in.scenarios import Control, Scenario
from analysis_jobs_dev.cloud.stand_in.upstream import Upstream
from analysis_jobs_dev.cloud.stand_in.wire import Wire

HOST: Final = "127.0.0.1"  # no other interface: everybody who reaches the server can mint tokens
_MODEL_PATH = re.compile(r"/model/(?P<model>[^/]+)/(?P<operation>converse|converse-stream)")
_MOST_CONTROL_BYTES: Final = 25_000_000
_TIMEOUT_S: Final = 10
_SETTLE_S: Final = 0.3


class Remote:
    """Controls a stand-in that runs anywhere on this machine."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._open = build_opener(ProxyHandler({})).open

    def set(self, *scenarios: Scenario | Mapping[str, Any], **fields: Any) -> None:  # noqa: ANN401 - a scenario's fields
        """Replace all scenarios; `set(chunk_s=0.5, match="Lot 2")` adds one. The first that matches a call decides.

        Raises:
            ValueError: for a field that no scenario has, or a value that it cannot have.

        """
        given = [*scenarios, fields] if fields else scenarios
        self.request("POST", "/control", [Scenario.model_validate(each).model_dump() for each in given])

    def scenarios(self) -> list[dict[str, Any]]:
        """Return the active scenarios with the turns they have left."""
        return list(self.request("GET", "/control"))

    def reset(self) -> None:
        """Forget all scenarios, all logged calls, the API key of Gemini, and the known rights of roles."""
        self.request("DELETE", "/control")
        self.request("DELETE", "/calls")

    def calls(self, **wanted: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - values of a log's fields
        """Return the logged calls, oldest first; `calls(outcome="ok")` those with this outcome.

        The outcome of a call is logged a moment after its caller has the answer: this waits for it.
        """
        log = self.request("GET", "/calls")
        settled = time.monotonic() + _SETTLE_S
        while any(call["outcome"] == "running" for call in log) and time.monotonic() < settled:
            time.sleep(_SETTLE_S / 10)
            log = self.request("GET", "/calls")
        return [call for call in log if all(call[name] == value for name, value in wanted.items())]

    def take_gemini_key(self, key: str | None) -> None:
        """Make Gemini accept this API key alone, as after a rotation; None, or a reset, accepts any."""
        self.request("POST", "/gemini-key", {"key": key})

    def token(self, tenant: str, **claims: Any) -> str:  # noqa: ANN401 - what `Issuer.mint` takes
        """Return a token of the issuer; the arguments are those of `Issuer.mint`."""
        return str(self.request("POST", "/token", {"tenant": tenant, **claims})["access_token"])

    def request(self, method: str, path: str, content: object = None) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of an answer.

        Raises:
            HTTPError: any status but 200.

        """
        body = None if content is None else json.dumps(content).encode()
        request = Request(self.url + path, body, {"Content-Type": "application/json"}, method=method)
        with self._open(request, timeout=_TIMEOUT_S) as response:
            return json.load(response)


class StandIn(Remote):
    """A stand-in in this process: `with StandIn() as stand_in: stand_in.url`.

    Args:
        port: its port; 0 for any free one.
        endpoint: MiniStack's URL. With it callers must sign, and may use only the models that their roles allow.
        ca_bundle: the authorities with which MiniStack's certificate is checked.
        key_file: where the issuer's key is kept; without it every start makes a new one.
        answers: answers files, see `script`.
        upstream: a server that answers the questions which no answers file decides; without one, answers are filled in
            from the document.

    """

    def __init__(  # noqa: PLR0913 - independent options
        self,
        port: int = 0,
        *,
        endpoint: str | None = None,
        ca_bundle: Path | str | None = None,
        key_file: Path | None = None,
        answers: Sequence[Path] = (),
        upstream: Upstream | None = None,
    ) -> None:
        self._control = control = Control(_scripted(answers))
        policy = ModelPolicy(endpoint, ca_bundle) if endpoint else None
        self._server = _Server((HOST, port), _Handler)
        super().__init__(f"http://{HOST}:{self._server.server_port}")
        self.issuer = Issuer(self.url, key_file)
        self._server.routes = _Routes(
            Bedrock(control, policy, upstream), Gemini(control, upstream), control, self.issuer
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="stand-in", daemon=True)

    def load_answers(self, answers: Sequence[Path]) -> None:
        """Replace the scripted answers by those of these files. Raises CloudError for a mistake in a file."""
        self._control.set_script(_scripted(answers))

    def __enter__(self) -> Self:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Break off the calls under way, and free the port."""
        self._server.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _scripted(answers: Sequence[Path]) -> list[Scenario]:
    return [scenario for path in answers for scenario in script.load(path)]


class _Routes:
    """The paths. The models' and the issuer's are those of the real services; the others are for tests."""

    def __init__(self, bedrock: Bedrock, gemini: Gemini, control: Control, issuer: Issuer) -> None:
        self._bedrock = bedrock
        self._gemini = gemini
        self._control = control
        self._answers: dict[tuple[str, str], Callable[[Any], object]] = {
            ("GET", CONFIGURATION_PATH): lambda _: issuer.configuration(),
            ("GET", KEYS_PATH): lambda _: issuer.keys(),
            ("GET", "/health"): lambda _: {"status": "ok"},
            ("GET", "/control"): lambda _: control.read(),
            ("POST", "/control"): self._set,
            ("DELETE", "/control"): lambda _: self._reset(),
            ("GET", "/calls"): lambda _: control.calls(),
            ("DELETE", "/calls"): lambda _: control.forget_calls(),
            ("POST", "/gemini-key"): self._gemini_key,
            ("POST", "/token"): lambda given: {"access_token": issuer.mint(**given), "token_type": "Bearer"},
        }

    def serve(self, wire: Wire) -> None:
        """Answer one request."""
        path = wire.path.partition("?")[0]
        for pattern, vendor in ((_MODEL_PATH, self._bedrock), (GEMINI_PATH, self._gemini)):
            if wire.command == "POST" and (found := pattern.fullmatch(path)):
                vendor.serve(wire, unquote(found["model"]), found["operation"])
                return
        answer = self._answers.get((wire.command, path))
        if answer is None:
            missing = RefusedError("ResourceNotFoundException", f"The stand-in has no {wire.command} {path}.")
            self._bedrock.refuse(wire, missing)
            return
        try:
            wire.answer(200, answer(json.loads(wire.body(_MOST_CONTROL_BYTES) or b"null")))
        except (TypeError, ValueError) as error:
            wire.answer(400, {"message": str(error)})

    def _set(self, wanted: Any) -> object:  # noqa: ANN401 - JSON
        given = wanted if isinstance(wanted, list) else [wanted]
        self._control.set([Scenario.model_validate(each) for each in given])
        return self._control.read()

    def _reset(self) -> object:
        self._bedrock.forget_roles()
        self._gemini.key = None
        self._control.reset()
        return []

    def _gemini_key(self, wanted: Mapping[str, str | None]) -> object:
        self._gemini.key = wanted["key"]
        return wanted


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 1024  # a load test sends all its calls at once

    routes: _Routes

    def __init__(self, address: tuple[str, int], handler: type[Wire]) -> None:
        self.stopping = threading.Event()
        super().__init__(address, handler)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore callers that went away; report anything else, which is a fault of the stand-in."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(Wire):
    server: _Server

    @override
    def setup(self) -> None:
        self.stopping = self.server.stopping
        super().setup()

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        """Answer."""
        with contextlib.suppress(HungUpError):
            self.server.routes.serve(self)

    do_POST = do_DELETE = do_GET  # noqa: N815 - the names that http.server calls


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it."""
    parser = argparse.ArgumentParser(prog="python -m analysis_jobs_dev.cloud.stand_in", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--endpoint", help="MiniStack's URL: check the callers' roles there")
    parser.add_argument("--ca-bundle", type=Path, help="the authorities with which its certificate is checked")
    parser.add_argument("--key-file", type=Path, help="where the issuer's key is kept")
    parser.add_argument("--answers", type=Path, action="append", default=[], help="a file of scripted answers (TOML)")
    options = vars(parser.parse_args(arguments))
    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    with StandIn(**options) as stand_in:
        print(stand_in.url, "ready", sep="\n", flush=True)
        stop.wait()
    return 0
