"""A web server of photographs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from flowy.tutorial import SAMPLE

Answer = Callable[[BaseHTTPRequestHandler], None]


class PhotoServer:
    """Serves the sample photograph at any path except those with another answer."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answers.get(self.path, send_sample)(self)

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


def send_sample(handler: BaseHTTPRequestHandler) -> None:
    content = SAMPLE.read_bytes()
    handler.send_response(200)
    handler.send_header("Content-Type", "image/jpeg")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
