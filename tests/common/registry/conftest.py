"""A registry of the test's own, and a server that misbehaves on request."""

import hashlib
import http.server
import json
import threading

import pytest

from common import registry
from common.registry import _http

DATA = bytes(range(256)) * 400
"""What the registered file holds: 102 400 bytes."""

HTML = b"<!DOCTYPE html><html><body>Please log in.</body></html>"


def digest(content):
    return hashlib.sha256(content).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    """The first part of the path says the behaviour; each server counts its requests."""

    def do_GET(self):
        server = self.server
        server.requests.append((self.path, self.headers.get("Range")))
        behaviour = self.path.split("/")[1]
        first = len(server.requests) == 1
        if behaviour == "missing":
            return self.send_error(404)
        if behaviour == "busy" or (behaviour == "busy-once" and first):
            return self.send_error(503)
        if behaviour == "beyond" and first:
            return self.send_error(416)
        if behaviour == "html":
            return self._send(HTML, len(HTML))
        if behaviour == "wrong":
            return self._send(DATA[::-1], len(DATA))
        if behaviour == "short":
            return self._send(DATA[:1000], 1000)
        if behaviour == "truncated" or (behaviour.startswith("broken-once") and first):
            return self._send(DATA[:70_000], len(DATA))
        if behaviour == "broken-once-ranges":
            begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            rest = DATA[begin:]
            return self._send(rest, len(rest), status=206)
        return self._send(DATA, len(DATA))

    def _send(self, content, length, status=200):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def isolated(monkeypatch):
    """No waiting between attempts, no proxy, and no mirror from the developer's environment."""
    monkeypatch.setattr(_http, "PAUSE", 0.0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("ARTIFACTS_MIRROR", raising=False)


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        running.requests = []
        running.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


@pytest.fixture
def entry():
    """Makes a valid entry from a source."""

    def make(source, **changes):
        made = {
            "title": "Signals",
            "source": source,
            "licence": "CC0",
            "citation": "A. Author, 2020",
            "contents": "1 channel, 100 Hz, no events",
        }
        if "url" in source or "pypi" in source:
            made |= {"sha256": digest(DATA), "size": len(DATA)}
        made |= changes
        return {key: value for key, value in made.items() if value is not None}

    return make


@pytest.fixture
def write(tmp_path):
    """Writes a registry and returns its path."""

    def to(entries):
        file = tmp_path / "registry.yaml"
        file.write_text(json.dumps(entries))
        return file

    return to


@pytest.fixture
def fetch(tmp_path, write):
    """Fetches an entry into a folder of the test's own."""

    def one(source_entry, **options):
        return registry.fetch(
            "signals",
            destination=tmp_path / "raw" / "signals.bin",
            archives=tmp_path / "archives",
            registry=write({"signals": source_entry}),
            progressbar=False,
            **options,
        )

    return one
