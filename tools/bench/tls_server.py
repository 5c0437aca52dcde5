"""An HTTP server over TLS that keeps its connections, for the processes that stand for AWS. It prints its port."""

import ssl
from abc import abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """Answers each request with the result of `respond`."""

    protocol_version = "HTTP/1.1"
    # Headers and body go out as two packets; without this the second waits 40 ms.
    disable_nagle_algorithm = True

    @abstractmethod
    def respond(self, body: bytes) -> tuple[int, bytes]:
        """Return the status and the body of the answer. The request is in `path`, `command` and `headers`."""

    def do_POST(self) -> None:
        """Answer a request."""
        self._answer()

    def do_GET(self) -> None:
        """Answer a request."""
        self._answer()

    def do_PUT(self) -> None:
        """Answer a request."""
        self._answer()

    def _answer(self) -> None:
        status, body = self.respond(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Log nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore connections that their client closed."""


def serve(handler: type[Handler], chain: str, key: str) -> None:
    """Serve until the process is killed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    server = _Server(("127.0.0.1", 0), handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_port, flush=True)
    server.serve_forever()
