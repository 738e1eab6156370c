"""Forms over real sockets: what curl sends with -F and -d, large files, limits, and clients that leave."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import trio

from .form_apps import MIB, uploads
from .limits import within
from .programs import process
from .serving import Certificate, serving
from .sockets import Peer, connected

HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
MULTIPART = "multipart/form-data; boundary=x"


async def send_form(curl: str, url: str, *options: str) -> tuple[int, Any]:
    """Run curl; the status, and the JSON of the answer."""
    command = [curl, "--silent", "--show-error", "--write-out", "\n%{http_code}", *options, url]
    done = await trio.run_process(command, capture_stdout=True, stderr=subprocess.STDOUT)
    body, _, status = done.stdout.decode().rpartition("\n")
    return int(status), json.loads(body)


def file_of(folder: Path, size: int, name: str = "a.bin") -> str:
    """Write a file of this size; its path."""
    path = folder / name
    path.write_bytes(os.urandom(size))
    return str(path)


@within(30)
@pytest.mark.parametrize("protocol", ["http1.1", "http2"])
async def test_curl_sends_text_and_files(curl: str, protocol: str, tmp_path: Path, certificate: Certificate) -> None:
    small, large = file_of(tmp_path, 10, "größe.txt"), file_of(tmp_path, 3 * MIB + 5)
    options = ["--cacert", str(certificate.authority), f"--{protocol}"]
    options += ["-F", "title=Häuser", "-F", f"file=@{small}", "-F", f"more=@{large}"]
    async with serving(uploads, certificate=certificate) as server:
        status, shown = await send_form(curl, f"{server.url}/large", *options)
    assert (status, shown["title"], shown["read"]) == (200, "Häuser", [10, 3 * MIB + 5])
    assert shown["files"] == [["größe.txt", "text/plain"], ["a.bin", "application/octet-stream"]]


@within(10)
async def test_curl_sends_an_urlencoded_form(curl: str) -> None:
    async with serving(uploads) as server:
        given = await send_form(curl, f"{server.url}/small", "--data-urlencode", "title=Häuser & Wege")
    assert given == (200, {"title": "Häuser & Wege", "files": [], "read": []})


@within(60)
async def test_a_large_file_takes_little_memory(curl: str, tmp_path: Path) -> None:
    size = 100 * MIB
    small, large = file_of(tmp_path, 10, "small"), file_of(tmp_path, size)
    async with process("trio-sse", "end_to_end.form_apps:uploads") as server:
        url = f"http://127.0.0.1:{server.port}"
        await send_form(curl, f"{url}/large", "-F", "title=a", "-F", f"file=@{small}")
        _, before = await send_form(curl, f"{url}/usage")
        status, shown = await send_form(curl, f"{url}/large", "-F", "title=a", "-F", f"file=@{large}")
        _, after = await send_form(curl, f"{url}/usage")
    assert (status, shown["read"]) == (200, [size])
    assert after["memory"] - before["memory"] < 20 * MIB
    assert after["files"] == before["files"]


@within(30)
@pytest.mark.parametrize("sent", ["with its length", "in chunks"])
@pytest.mark.parametrize(
    ("form", "detail"),
    [
        (["title=a", "file=@{0}/6"], "The request body is too large."),
        (["title=a", "file=@{0}/2"], "The file in 'file' is larger than 1048576 bytes."),
        (["title=a", *["more=@{0}/0"] * 3], "The form has too many files; this path reads up to 2."),
        (["title=a", "b=", "c="], "The form has too many fields; this path reads up to 2."),
    ],
)
async def test_curl_is_told_of_a_limit(curl: str, form: list[str], detail: str, sent: str, tmp_path: Path) -> None:
    for size in (0, 2, 6):
        file_of(tmp_path, size * MIB, str(size))
    options = [option for field in form for option in ("-F", field.format(tmp_path))]
    options += ["-H", "Expect:"]  # otherwise curl waits for a second, for an answer that the server has given already
    options += ["-H", "Transfer-Encoding: chunked"] if sent == "in chunks" else []
    async with serving(uploads) as server:
        status, shown = await send_form(curl, f"{server.url}/small", *options)
    if sent == "in chunks" and detail == "The request body is too large.":
        detail = "The file in 'file' is larger than 1048576 bytes."  # that limit is reached before the other
    assert (status, shown["detail"]) == (413, detail)


@within(10)
async def test_curl_is_told_what_to_send(curl: str) -> None:
    async with serving(uploads) as server:
        status, shown = await send_form(curl, f"{server.url}/small", "--json", "{}")
    both = "application/x-www-form-urlencoded or multipart/form-data"
    assert (status, shown["detail"]) == (415, f"This path reads forms: send {both}.")


async def upload_a_part(peer: Peer, size: int, sent: bytes) -> None:
    await peer.send(
        f"POST /large HTTP/1.1\r\nhost: a\r\ncontent-type: {MULTIPART}\r\ncontent-length: {size}\r\n\r\n".encode()
        + sent
    )


@within(30)
async def test_the_temporary_file_of_a_client_that_leaves_is_deleted() -> None:
    async with process("trio-sse", "end_to_end.form_apps:uploads") as server, connected(server.port) as asking:
        before = await asking.json("/usage")
        async with connected(server.port) as peer:
            await upload_a_part(peer, 10 * MIB, HEAD + bytes(MIB))
            while (await asking.json("/usage"))["files"] == before["files"]:
                pass
            peer.reset()
        while (await asking.json("/usage"))["files"] != before["files"]:
            pass


@within(30)
async def test_the_temporary_file_of_a_server_that_is_killed_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    async with process("trio-sse", "end_to_end.form_apps:uploads") as server, connected(server.port) as asking:
        before = await asking.json("/usage")
        async with connected(server.port) as peer:
            await upload_a_part(peer, 10 * MIB, HEAD + bytes(MIB))
            while (await asking.json("/usage"))["files"] == before["files"]:
                pass
            server.process.kill()
            await server.process.wait()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - in an async function
