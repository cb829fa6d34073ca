"""Downloads by address, from a server of the test's own: every failure, and going on after an interruption."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rife.assets import download as module
from rife.assets.download import ReleaseFile, check_file, downloaded
from rife.errors import FetchError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
Answer = Callable[[BaseHTTPRequestHandler, int], None]


class Server:
    """A server whose answers a test chooses; `requests` are their paths with the first byte that was asked for."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, int]] = []
        self.answers: dict[str, Answer] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                start = int(self.headers.get("Range", "bytes=0-")[6:-1])
                server.requests.append((self.path, start))
                server.answers[self.path](self, start)

            def log_message(self, *arguments: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}{path}"

    def source(self, *paths: str, size: int | None = None) -> ReleaseFile:
        return ReleaseFile(tuple(self.url(path) for path in paths), SHA256, size)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("RIFE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    server = Server()
    yield server
    server.close()


def whole(content: bytes = CONTENT, *, kind: str = "application/octet-stream", stop: int | None = None) -> Answer:
    """Answer with a file, in ranges too; the connection ends after `stop` bytes of the first answer."""
    state = {"stop": stop}

    def answer(handler: BaseHTTPRequestHandler, start: int) -> None:
        if start >= len(content):
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        end, state["stop"] = state["stop"], None
        handler.wfile.write(content[start : None if end is None else start + end])

    return answer


def fails(code: int, location: str | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(code)
        if location is not None:
            handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def fetched(source: ReleaseFile) -> bytes:
    with downloaded(source) as path:
        content = path.read_bytes()
    assert not path.exists()
    return content


def leftovers(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "downloads").iterdir())


def test_a_file_with_its_progress(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = whole()
    seen: list[tuple[int, int | None]] = []
    with downloaded(server.source("/a", size=len(CONTENT)), on_bytes=lambda *now: seen.append(now)) as path:
        assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 2
    assert leftovers(tmp_path) == []


def test_a_cut_connection_is_continued(server: Server) -> None:
    server.answers["/a"] = whole(stop=300_000)
    assert fetched(server.source("/a")) == CONTENT
    assert server.requests == [("/a", 0), ("/a", 300_000)]


def test_the_next_try_continues_where_the_last_one_ended(server: Server, tmp_path: Path) -> None:
    server.answers["/a"] = whole(stop=300_000)

    class Interrupted(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Interrupted

    with pytest.raises(Interrupted), downloaded(server.source("/a"), on_bytes=stop):
        pass
    (partial,) = leftovers(tmp_path)
    stored = (tmp_path / "cache" / "downloads" / partial).stat().st_size
    assert stored > 0
    assert fetched(server.source("/a")) == CONTENT
    assert server.requests[1] == ("/a", stored)


def test_a_server_that_does_not_continue_begins_again(server: Server) -> None:
    calls = [0]

    def answer(handler: BaseHTTPRequestHandler, _: int) -> None:
        calls[0] += 1
        whole(stop=300_000 if calls[0] == 1 else None)(handler, 0)

    server.answers["/a"] = answer
    assert fetched(server.source("/a")) == CONTENT


@pytest.mark.parametrize("stored", [b"other" * 1000, CONTENT + b"more"])
def test_a_stored_part_of_another_file_is_thrown_away(stored: bytes, server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "downloads"
    folder.mkdir(parents=True)
    (folder / f"{SHA256}.partial").write_bytes(stored)
    server.answers["/a"] = whole()
    assert fetched(server.source("/a")) == CONTENT
    assert server.requests[-1] == ("/a", 0)


def test_the_next_address_is_tried(server: Server) -> None:
    server.answers |= {"/gone": fails(404), "/other": whole(b"x" * 1000), "/a": whole()}
    assert fetched(server.source("/gone", "/other", "/a")) == CONTENT
    assert [path for path, _ in server.requests] == ["/gone", "/other", "/a"]


PAGE = b"<!DOCTYPE html><html>Sign in</html>"
FAILURES: dict[str, tuple[Answer, int | None, str]] = {
    "404": (fails(404), None, r"answered 404 \(Not Found\)"),
    "500": (fails(503), None, r"answered 503"),
    "loop": (fails(302, "/a"), None, r"answered 302 \(.*infinite loop"),
    "html": (whole(PAGE, kind="text/html; charset=utf-8"), None, "gave a web page, not the file"),
    "html as a file": (whole(PAGE), None, "gave a web page, with sha256"),
    "wrong hash": (whole(b"x" * 1000), None, "gave another file, with sha256"),
    "wrong length": (whole(b"x" * 1000), len(CONTENT), r"gave a file of 1000 bytes, expected 1024000"),
    "truncated": (whole(stop=0), None, "closed the connection before the end"),
}


@pytest.mark.parametrize("case", list(FAILURES))
def test_what_goes_wrong_is_named_with_address_and_hash(case: str, server: Server, tmp_path: Path) -> None:
    answer, size, reason = FAILURES[case]
    server.answers["/a"] = lambda handler, start: answer(handler, start)
    if case == "truncated":
        server.answers["/a"] = lambda handler, start: whole(stop=0)(handler, start)
    with pytest.raises(FetchError, match=reason) as caught:
        fetched(server.source("/a", size=size))
    assert server.url("/a") in str(caught.value)
    assert f"Expected a file with sha256 {SHA256}" in str(caught.value)
    assert not any((tmp_path / "cache" / "downloads" / name).stat().st_size for name in leftovers(tmp_path))


def test_no_route(server: Server) -> None:
    source = server.source("/a")
    server.close()
    with pytest.raises(FetchError, match="cannot be reached"):
        fetched(source)


def test_a_server_that_says_nothing(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)

    def silent(*_: object) -> None:
        ended.wait(10)

    server.answers["/a"] = silent
    with pytest.raises(FetchError, match="gave nothing for"):
        fetched(server.source("/a"))
    ended.set()


def test_more_than_was_announced_is_refused(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(handler: BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(CONTENT * 2)

    server.answers["/a"] = endless
    with pytest.raises(FetchError, match="more than the expected 1024000 bytes"):
        fetched(server.source("/a", size=len(CONTENT)))
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    server.answers["/b"] = whole()
    with pytest.raises(FetchError, match="expected at most 1000"):
        fetched(server.source("/b"))


def test_the_environment_names_the_proxy(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", server.url(""))
    server.answers["http://weights.invalid/a"] = whole()
    assert fetched(ReleaseFile(("http://weights.invalid/a",), SHA256)) == CONTENT


def test_a_file_fetched_by_hand(tmp_path: Path) -> None:
    source = ReleaseFile(("https://weights.invalid/a.pkl",), SHA256)
    good, other = tmp_path / "a.pkl", tmp_path / "b.pkl"
    good.write_bytes(CONTENT)
    other.write_bytes(b"x")
    check_file(source, good)
    with pytest.raises(FetchError, match=f"expected sha256 {SHA256}, got .*weights.invalid"):
        check_file(source, other)
    with pytest.raises(FetchError, match="cannot be read"):
        check_file(source, tmp_path / "none")


@pytest.mark.parametrize(("urls", "sha256"), [((), SHA256), (("https://a",), "12"), (("https://a",), "X" * 64)])
def test_a_row_without_address_or_hash_is_refused(urls: tuple[str, ...], sha256: str) -> None:
    with pytest.raises(ValueError, match="sha256 of 64"):
        ReleaseFile(urls, sha256)
