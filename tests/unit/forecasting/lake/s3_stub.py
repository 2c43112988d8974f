"""An object store on this machine: as much of S3's protocol as a lake uses, no signatures checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

DATE = "Sun, 01 Nov 2026 00:00:00 GMT"


@contextmanager
def s3_stub() -> Iterator[tuple[str, dict[str, bytes]]]:  # noqa: C901  one handler, a method a verb
    """Its URL, and what it holds by ``bucket/key``."""
    objects: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", headers.pop("size", None) or str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def named(self) -> tuple[str, dict[str, list[str]]]:
            parts = urlsplit(self.path)
            return unquote(parts.path).strip("/"), parse_qs(parts.query, keep_blank_values=True)

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def do_PUT(self) -> None:
            key, _ = self.named()
            objects[key] = self.body()
            self.answer(200, ETag='"x"')

        def do_HEAD(self) -> None:
            key, _ = self.named()
            if key not in objects:
                self.answer(404)
                return
            self.send_response(200)
            for name, value in (
                ("Content-Length", len(objects[key])),
                ("ETag", '"x"'),
                ("Last-Modified", DATE),
            ):
                self.send_header(name, str(value))
            self.end_headers()

        def do_GET(self) -> None:
            key, query = self.named()
            if "list-type" in query:
                self.answer(200, listing(key, query).encode(), Content_Type="application/xml")
            elif key not in objects:
                body = b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>"
                self.answer(404, body, Content_Type="application/xml")
            elif asked := self.headers.get("Range"):
                first, _, last = asked.removeprefix("bytes=").partition("-")
                part = objects[key][int(first) : int(last) + 1 if last else None]
                span = f"bytes {first}-{int(first) + len(part) - 1}/{len(objects[key])}"
                self.answer(206, part, ETag='"x"', Last_Modified=DATE, Content_Range=span)
            else:
                self.answer(200, objects[key], ETag='"x"', Last_Modified=DATE)

        def do_DELETE(self) -> None:
            objects.pop(self.named()[0], None)
            self.answer(204)

        def do_POST(self) -> None:
            bucket, _ = self.named()
            for element in ElementTree.fromstring(self.body()).iter():  # noqa: S314  what our own client sent
                if element.tag.endswith("Key"):
                    objects.pop(f"{bucket}/{element.text}", None)
            self.answer(200, b"<DeleteResult/>", Content_Type="application/xml")

        def log_message(self, *_: object) -> None:
            pass

    def listing(bucket: str, query: dict[str, list[str]]) -> str:
        prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
        keys = sorted(name.removeprefix(f"{bucket}/") for name in objects if name.startswith(f"{bucket}/"))
        found, folders = [], set()
        for key in (key for key in keys if key.startswith(prefix)):
            head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if cut:
                folders.add(f"{prefix}{head}{delimiter}")
            else:
                size = len(objects[f"{bucket}/{key}"])
                found.append(
                    f"<Contents><Key>{escape(key)}</Key><Size>{size}</Size><ETag>x</ETag>"
                    "<LastModified>2026-11-01T00:00:00.000Z</LastModified></Contents>"
                )
        shared = [
            f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in sorted(folders)
        ]
        inner = "".join([*found, *shared])
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{inner}</ListBucketResult>"

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", objects
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
