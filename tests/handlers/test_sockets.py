"""Cancelling a model call from another thread: while it streams, stalls or connects, over HTTP and TLS."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.config import Config

from analysis_jobs import wiring
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import Retry
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.llm.gemini.model import GeminiModel
from analysis_jobs.llm.model import Model, Question, Reply
from analysis_jobs.llm.sockets import CancellableSocket
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.builders import eventually
from tests.handlers.models import a_gemini_key
from tests.handlers.relay import TlsRelay

QUESTION = Question("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "Say a lot. " * 50, 1_000)
# Longer than the client waits: a call that is not cut ends as `model_timeout`, after minutes.
LONG_S = 600


WAYS = ["http", "tls", "tls through a proxy"]


@pytest.fixture(scope="module", params=[*WAYS, *(f"gemini: {way}" for way in WAYS)])
def model(request: pytest.FixtureRequest, server: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a model with the worker's own client, for each kind of connection."""
    vendor, _, way = request.param.rpartition(": ")
    make = _gemini if vendor else _model
    if way == "http":
        yield make(server.url)
        return
    with TlsRelay(server.url, tmp_path_factory.mktemp("tls")) as relay, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", relay.bundle)
        if way == "tls":
            yield make(relay.url, verify=relay.bundle)
        else:
            for name in ("no_proxy", "NO_PROXY"):
                patch.delenv(name, raising=False)
            patch.setenv("HTTPS_PROXY", relay.proxy)
            yield make("https://localhost:9", verify=relay.bundle, proxies={"https": relay.proxy})


def _gemini(url: str, **_of_boto3: Any) -> Model:
    """Return Gemini's port. It reads proxies and certificates from the environment, and asks a Gemini model."""
    gemini = GeminiModel(a_gemini_key(), url)

    class Renamed:
        def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
            return gemini.ask(replace(question, model_id="gemini-2.5-flash"), on_chunk, cancellation)

    return Renamed()


def _model(url: str, *, verify: str | None = None, **options: Any) -> BedrockModel:
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=verify,
        config=wiring.MODEL_CONFIG.merge(Config(**options)),
    )
    return BedrockModel(client)


def _tripped_when(cancellation: CancellationToken, holds: Callable[[], bool]) -> threading.Thread:
    """Cancel from another thread, as a heartbeat does, once something holds."""

    def cancel() -> None:
        try:
            eventually(holds)
            time.sleep(0.05)  # the call is now likely to wait in its read; it must be cut wherever it is
        finally:
            cancellation.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    return thread


def _our_threads() -> set[str]:
    """Return the threads that do not belong to a server."""
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if name != "relay" and "process_request" not in name}


CASES: dict[str, dict[str, Any]] = {
    "flowing": {"chunk_s": 0.02, "chunk_chars": 1},
    "stalled within": {"stall_s": LONG_S, "chunk_chars": 5},
    "before the first byte": {"first_token_s": LONG_S},
}


@pytest.mark.parametrize("case", CASES)
def test_a_call_is_cancelled_from_another_thread_at_once(model: Model, stand_in: StandIn, case: str) -> None:
    stand_in.set(**CASES[case])
    cancellation, pieces = CancellationToken(), list[str]()
    threads_before = _our_threads()
    early = case == "before the first byte"
    thread = _tripped_when(cancellation, lambda: bool(stand_in.calls() if early else pieces))
    with pytest.raises(Retry) as broken:
        model.ask(QUESTION, pieces.append, cancellation)
    thread.join()
    assert broken.value.code in ("model_connection", "model_stream_cut")
    assert bool(pieces) is not early
    stand_in.set()
    assert model.ask(QUESTION, pieces.append, CancellationToken()).fault is None  # the client still works
    assert _our_threads() == threads_before


def test_a_call_that_starts_after_the_cancel_ends_at_once(model: Model, stand_in: StandIn) -> None:
    stand_in.set(first_token_s=LONG_S)
    cancellation = CancellationToken()
    cancellation.cancel()
    with pytest.raises(Retry) as broken:
        model.ask(QUESTION, lambda _: None, cancellation)
    assert broken.value.code == "model_connection"


def test_calls_of_other_threads_continue(model: Model, stand_in: StandIn) -> None:
    stand_in.set(chunk_s=0.05, chunk_chars=20)
    ours, theirs = CancellationToken(), CancellationToken()
    replies: list[str] = []
    other = threading.Thread(target=lambda: replies.append(model.ask(QUESTION, lambda _: None, theirs).text))
    other.start()
    pieces: list[str] = []
    thread = _tripped_when(ours, lambda: bool(pieces))
    with pytest.raises(Retry):
        model.ask(QUESTION, pieces.append, ours)
    thread.join()
    other.join()
    assert len(replies) == 1


def test_a_cancel_after_the_answer_does_not_close_the_next_call_on_the_connection(
    model: Model, stand_in: StandIn
) -> None:
    stand_in.set()
    done = CancellationToken()
    model.ask(QUESTION, lambda _: None, done)
    stand_in.set(chunk_s=0.01)
    assert model.ask(QUESTION, lambda _: done.cancel(), CancellationToken()).fault is None


def test_a_late_shutdown_does_not_close_the_next_call_on_the_connection(model: Model, stand_in: StandIn) -> None:
    cuts: list[Callable[[], None]] = []

    class Keeping(CancellationToken):
        def on_cancel(self, shut_down: Callable[[], None]) -> Any:
            cuts.append(shut_down)
            return super().on_cancel(shut_down)

    stand_in.set()
    model.ask(QUESTION, lambda _: None, Keeping())
    stand_in.set(chunk_s=0.01)
    assert model.ask(QUESTION, lambda _: cuts[0](), CancellationToken()).fault is None


def test_the_kernel_probes_a_silent_connection_before_a_nat_gateway_drops_it(model: Model, stand_in: StandIn) -> None:
    sockets: list[CancellableSocket] = []

    class Keeping(CancellationToken):
        def on_cancel(self, shut_down: Any) -> Any:
            sockets.append(shut_down.__self__)
            return super().on_cancel(shut_down)

    probes: list[tuple[int, int]] = []

    def look(_piece: str) -> None:
        connected = sockets[0]._socket  # noqa: SLF001 - a socket has no other way to its options
        assert connected is not None
        alive = connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        probes.append((alive, connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)))

    stand_in.set(chunk_s=0.01)
    model.ask(QUESTION, look, Keeping())
    assert set(probes) == {(1, 60)}, "the first probe comes after a minute, not after two hours"


def test_the_calls_in_all_threads_of_an_attempt_are_cancelled(model: Model, stand_in: StandIn) -> None:
    stand_in.set(first_token_s=LONG_S)
    cancellation, codes = CancellationToken(), list[str]()

    def ask() -> None:
        try:
            model.ask(QUESTION, lambda _: None, cancellation)
        except Retry as error:
            codes.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    tripping = _tripped_when(cancellation, lambda: len(stand_in.calls()) == 4)
    for thread in threads:
        thread.join()
    tripping.join()
    assert codes == ["model_connection"] * 4


# The cancellable socket itself


def test_a_socket_attached_after_the_shutdown_is_shut_down() -> None:
    cancellable = CancellableSocket()
    cancellable.shut_down()
    near, far = socket.socketpair()
    with near, far:
        cancellable.attach(near)
        assert far.recv(1) == b""


def test_a_detached_socket_is_not_shut_down() -> None:
    cancellable = CancellableSocket()
    near, far = socket.socketpair()
    with near, far:
        cancellable.attach(near)
        cancellable.detach(near)
        cancellable.shut_down()
        near.sendall(b"x")
        assert far.recv(1) == b"x"


def test_shutting_down_a_closed_socket_does_nothing() -> None:
    cancellable = CancellableSocket()
    near, far = socket.socketpair()
    cancellable.attach(near)
    near.close()
    far.close()
    cancellable.shut_down()
    cancellable.shut_down()
