"""A CKAN portal on this machine that fails, stalls and lies as told."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

CSV = (
    "id_subsistema;nom_subsistema;din_instante;val_cargaenergiahomwmed\n"
    "SE;SUDESTE;2022-01-01 00:00:00;31822.65600000\n"
)
FOREIGN = {
    "sends another table": b"a;b\n1;2\n",
    "sends an endless line": b"x" * 200_000,
    "ends lines with CR": CSV.replace("\n", "\r").encode(),
}


@dataclass
class PortalStub:
    """``moods`` are used up from the left, one a request for the file; then it behaves.

    ``link`` is where it says that the file is, when that is not where it is; ``name`` is the file's.
    """

    moods: list[str] = field(default_factory=list)
    body: str = CSV
    etag: str = '"one"'
    down: bool = False
    link: str = ""
    name: str = "Curva de Carga - 2022"
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""
    stop: Event = field(default_factory=Event)


@contextmanager
def portal_stub() -> Iterator[PortalStub]:  # noqa: C901  one handler, a branch a mood
    stub = PortalStub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stub.requests.append((self.path, self.headers.get("If-None-Match", "")))
            if stub.down:
                self.answer(503, b"")
            elif "package_show" in self.path:
                resources = [
                    {"name": "Curva de Carga - 2021", "format": "CSV", "url": f"{stub.url}/2021.csv"},
                    {"name": "Curva de Carga - 2022", "format": "XLSX", "url": f"{stub.url}/2022.xlsx"},
                    {
                        "name": stub.name,
                        "format": "CSV",
                        "url": stub.link or f"{stub.url}/2022.csv",
                    },
                ]
                self.answer(200, json.dumps({"success": True, "result": {"resources": resources}}).encode())
            else:
                self.file(stub.moods.pop(0) if stub.moods else "well")

        def file(self, mood: str) -> None:
            body = stub.body.encode()
            if mood == "fails":
                self.answer(500, b"oops")
            elif mood == "gone":
                self.answer(404, b"")
            elif mood == "stalls":
                stub.stop.wait(5)
            elif mood == "truncates":
                self.answer(200, body[:20], length=len(body))
            elif mood == "sends a page":
                self.answer(200, b"<html>maintenance</html>", kind="text/html; charset=utf-8")
            elif mood == "sends nothing":
                self.answer(200, b"")
            elif mood in FOREIGN:
                self.answer(200, FOREIGN[mood])
            elif self.headers.get("If-None-Match") == stub.etag:
                self.answer(304, b"")
            else:
                self.answer(200, body)

        def answer(
            self, status: int, body: bytes, *, kind: str = "text/csv", length: int | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("ETag", stub.etag)
            if status != 304:
                self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        stub.stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
