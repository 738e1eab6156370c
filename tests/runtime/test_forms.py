"""Forms, from the request to the handler: both encodings, files, limits, and what becomes of the files at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import attrs
import pytest
import trio

from support.asgi import scope_of
from trio_sse import SSE, App, Patch, Post, Put, Route
from trio_sse._runtime import form as form_module
from trio_sse._runtime import spool as spool_module
from trio_sse._runtime.spool import IN_MEMORY
from trio_sse.forms import UploadedFile
from trio_sse.testing import TestClient, TestResponse

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=xyz"
BIG = IN_MEMORY + 3 * 64 * 1024 + 17
"""Bytes of a file that does not stay in memory."""


@attrs.frozen
class SignUp:
    name: str
    age: int = 0
    colors: list[str] = attrs.field(factory=list)
    _admin: bool = False


@attrs.frozen
class Album:
    title: str
    cover: UploadedFile | None = None
    pages: list[UploadedFile] = attrs.field(factory=list)


def part(name: str, value: bytes, filename: str | None = None, *headers: str) -> bytes:
    """A part of a multipart form."""
    file = "" if filename is None else f'; filename="{filename}"'
    lines = [f'Content-Disposition: form-data; name="{name}"{file}', *headers]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + value


def multipart(*parts: bytes) -> bytes:
    return b"".join(b"--xyz\r\n" + each + b"\r\n" for each in parts) + b"--xyz--\r\n"


async def post(route: Route, body: bytes | Iterable[bytes], kind: str = MULTIPART, **headers: str) -> TestResponse:
    client = TestClient(App().add(route))
    return await client.request(route.method, "/", body=body, headers={"content-type": kind, **headers})


def problem(reply: TestResponse) -> tuple[int, str]:
    assert reply.headers["content-type"] == "application/problem+json"
    return reply.status, reply.json().get("detail", "")


def sign_up(form: SignUp) -> dict[str, Any]:
    return attrs.asdict(form)


async def show(form: Album) -> list[Any]:
    files = [form.cover, *form.pages]
    return [form.title, *[(f.filename, f.content_type, f.size, len(await f.read())) for f in files if f is not None]]


SIGN_UP = Post("/").form(SignUp).handle(sign_up)
ALBUM = Post("/").form(Album).handle(show)

# -- fields


async def test_an_urlencoded_form_is_read_into_a_model() -> None:
    reply = await post(SIGN_UP, b"name=J%C3%BCrgen+M&age=7&colors=red&colors=blue&unknown=1", URLENCODED)
    assert reply.json() == {"name": "Jürgen M", "age": 7, "colors": ["red", "blue"], "_admin": False}


async def test_a_multipart_form_is_read_into_the_same_model() -> None:
    fields = part("name", "Jürgen M".encode()), part("age", b"7"), part("colors", b"red"), part("colors", b"blue")
    reply = await post(SIGN_UP, multipart(*fields, part("unknown", b"1")))
    assert reply.json() == {"name": "Jürgen M", "age": 7, "colors": ["red", "blue"], "_admin": False}


@pytest.mark.parametrize("name", ["_admin", "admin"])
async def test_a_client_cannot_set_a_private_field(name: str) -> None:
    urlencoded = await post(SIGN_UP, f"name=a&{name}=true".encode(), URLENCODED)
    parts = await post(SIGN_UP, multipart(part("name", b"a"), part(name, b"true")))
    assert urlencoded.json()["_admin"] is parts.json()["_admin"] is False


@pytest.mark.parametrize("kind", [URLENCODED, f"{URLENCODED}; charset=UTF-8", "Application/X-WWW-Form-URLencoded"])
async def test_the_type_is_compared_without_case_and_parameters(kind: str) -> None:
    assert (await post(SIGN_UP, b"name=a", kind)).json()["name"] == "a"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"age=1", "The form does not fit: Object missing required field `name`"),
        (b"", "The form does not fit: Object missing required field `name`"),
        (b"name=a&age=x", "The form does not fit: Expected `int`, got `str` - at `$.age`"),
        (b"name=a&name=b", "The form names 'name' more than once."),
    ],
)
async def test_a_form_that_does_not_fit_is_a_422_that_names_the_field(body: bytes, detail: str) -> None:
    assert problem(await post(SIGN_UP, body, URLENCODED)) == (422, detail)


async def test_the_field_that_names_a_charset_is_ignored() -> None:
    reply = await post(SIGN_UP, b"_charset_=iso-8859-1&name=%C3%A4", URLENCODED)
    assert reply.json()["name"] == "ä"


@pytest.mark.parametrize("body", [b"name=%FC", b"name=\xfc", b"%FC=1"])
async def test_an_urlencoded_form_that_is_not_utf_8_is_a_400(body: bytes) -> None:
    assert problem(await post(SIGN_UP, body, URLENCODED)) == (400, "The form is not valid UTF-8.")


async def test_a_multipart_field_that_is_not_utf_8_is_a_400() -> None:
    reply = await post(SIGN_UP, multipart(part("name", b"\xfc")))
    assert problem(reply) == (400, "The form is not valid UTF-8, in the field 'name'.")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"name=a", f"{URLENCODED}; charset=iso-8859-1"),
        (multipart(part("name", b"a", None, 'Content-Type: text/plain; charset="latin-1"')), MULTIPART),
    ],
)
async def test_another_charset_is_refused(body: bytes, kind: str) -> None:
    assert problem(await post(SIGN_UP, body, kind)) == (415, "This path reads forms in UTF-8 only.")


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "multipart/mixed; boundary=xyz"])
@pytest.mark.parametrize(("route", "header"), [(Post, "accept-post"), (Patch, "accept-patch"), (Put, "accept")])
async def test_another_media_type_is_a_415_that_says_what_to_send(kind: str, route: type[Route], header: str) -> None:
    reply = await post(route("/").form(SignUp).handle(sign_up), b"{}", kind)
    both = ("application/x-www-form-urlencoded", "multipart/form-data")
    assert problem(reply) == (415, f"This path reads forms: send {' or '.join(both)}.")
    assert reply.headers[header] == ", ".join(both)


async def test_a_stream_may_be_asked_for_with_a_form() -> None:
    async def events(form: SignUp) -> Any:
        yield {"data": form.name}

    async with TestClient(App().add(SSE("/", method="POST").form(SignUp).handle(events))).stream(
        "/", method="POST", body=b"name=a", headers={"content-type": URLENCODED}
    ) as stream:
        assert (await stream.event()).data == "a"


# -- files


async def test_files_have_a_name_a_type_a_size_and_bytes() -> None:
    body = multipart(
        part("title", b"Holidays"),
        part("cover", b"\x89PNG", "a.png", "Content-Type: Image/PNG; x=y"),
        part("pages", b"one", "1.txt"),
        part("pages", b"", "2.txt", "Content-Type: text/plain"),
    )
    assert (await post(ALBUM, body)).json() == [
        "Holidays",
        ["a.png", "image/png", 4, 4],
        ["1.txt", "application/octet-stream", 3, 3],
        ["2.txt", "text/plain", 0, 0],
    ]


async def test_an_input_in_which_no_file_has_been_chosen_is_a_field_that_is_missing() -> None:
    body = multipart(part("title", b"a"), part("cover", b"", "", "Content-Type: application/octet-stream"))
    assert (await post(ALBUM, body)).json() == ["a"]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\temp\\\\a.txt", "a.txt"),
        ("a\\\\..\\\\b.txt", "b.txt"),
        ("/", ""),
        ("..", ""),
        ("a%22b.txt", "a%22b.txt"),
        ("a;b.txt", "a;b.txt"),
        ("größe ✓.txt", "größe ✓.txt"),
        ("x\u202egpj.exe", "x_gpj.exe"),
        ("x\x85.txt", "x_.txt"),
    ],
)
async def test_of_a_files_name_the_last_part_is_kept(sent: str, shown: str) -> None:
    reply = await post(ALBUM, multipart(part("title", b"a"), part("cover", b"b", sent)))
    assert reply.json()[1][0] == shown


async def test_text_in_place_of_a_file_is_a_422_that_says_what_to_do() -> None:
    expected = (
        "The form does not fit: Expected a file, got text - at `$.cover`; "
        'a page that sends files has <form enctype="multipart/form-data">'
    )
    assert problem(await post(ALBUM, b"title=a&cover=a.png", URLENCODED)) == (422, expected)
    assert problem(await post(ALBUM, multipart(part("title", b"a"), part("cover", b"a")))) == (422, expected)


async def test_a_file_in_place_of_text_is_a_422() -> None:
    reply = await post(ALBUM, multipart(part("title", b"a", "a.txt")))
    assert problem(reply) == (422, "The form does not fit: Expected text, got a file - at `$.title`")


async def test_a_file_that_the_model_does_not_read_is_skipped() -> None:
    reply = await post(SIGN_UP, multipart(part("name", b"a"), part("avatar", bytes(BIG), "a.png")))
    assert reply.json()["name"] == "a"


# -- where the bytes are


class Spools(list[spool_module.Spool]):
    """Every spool that a request has made."""

    @property
    def on_disk(self) -> list[bool]:
        return [spool.is_on_disk for spool in self]


@pytest.fixture
def spools(monkeypatch: pytest.MonkeyPatch) -> Spools:
    made = Spools()

    class Recorded(spool_module.Spool):
        def __init__(self, cleanup_timeout: float) -> None:
            super().__init__(cleanup_timeout)
            made.append(self)

    monkeypatch.setattr(form_module, "Spool", Recorded)
    return made


def pattern(size: int) -> bytes:
    """Bytes in which no two pieces are alike."""
    return b"".join(number.to_bytes(4, "big") for number in range(size // 4 + 1))[:size]


@pytest.mark.parametrize("sizes", [[10], [IN_MEMORY], [IN_MEMORY + 1], [5, IN_MEMORY, 7], [10**6, 0, 70_000, 1]])
async def test_files_stay_in_memory_until_together_they_are_large(sizes: list[int], spools: Spools) -> None:
    read = []

    async def handler(form: Album) -> None:
        for page in form.pages:
            read.append((await page.read(), b"".join([piece async for piece in page]), await page.read(5)))

    files = [pattern(size)[::-1] for size in sizes]
    pages = [part("pages", file, "a") for file in files]
    assert (await post(Post("/").form(Album).handle(handler), multipart(part("title", b"a"), *pages))).status == 204
    assert spools.on_disk == [sum(sizes) > IN_MEMORY]
    assert read == [(file, file, file[:5]) for file in files]


async def test_a_file_is_read_within_its_own_bytes() -> None:
    async def handler(form: Album) -> list[str]:
        first, second = form.pages
        reads = [(first, 0, 9), (first, 2, 9), (first, 3, 9), (first, 4, 9), (second, 1, 1), (second, 0, 9)]
        return [(await file.read_at(start, size)).decode() for file, start, size in reads]

    pages = part("pages", b"abc", "a"), part("pages", b"def", "b")
    reply = await post(Post("/").form(Album).handle(handler), multipart(part("title", b"a"), *pages))
    assert reply.json() == ["abc", "c", "", "", "e", "def"]


async def test_two_tasks_can_read_a_file_at_the_same_time(spools: Spools) -> None:
    content, read = pattern(BIG), []

    async def handler(form: Album, nursery: trio.Nursery) -> None:
        cover = form.cover
        assert cover is not None

        async def collect() -> None:
            read.append(b"".join([piece async for piece in cover]))

        async with trio.open_nursery() as both:
            both.start_soon(collect)
            both.start_soon(collect)

    await post(Post("/").form(Album).handle(handler), multipart(part("title", b""), part("cover", content, "a")))
    assert read == [content, content]


@pytest.mark.parametrize("size", [3, BIG])
async def test_a_file_can_be_saved_once(size: int, tmp_path: Path) -> None:
    async def handler(form: Album) -> None:
        assert form.cover is not None
        await form.cover.save_to(tmp_path / "a")
        with pytest.raises(FileExistsError):
            await form.cover.save_to(str(tmp_path / "a"))

    body = multipart(part("title", b""), part("cover", pattern(size), "b"))
    assert (await post(Post("/").form(Album).handle(handler), body)).status == 204
    assert (tmp_path / "a").read_bytes() == pattern(size)


async def test_of_a_file_that_cannot_be_saved_nothing_is_left(tmp_path: Path) -> None:
    async def handler(form: Album) -> None:
        assert form.cover is not None
        with trio.CancelScope() as scope:
            scope.cancel()
            await form.cover.save_to(tmp_path / "a")
        with trio.CancelScope() as scope:
            original = form.cover.read_at

            async def cancelled_there(start: int, size: int) -> bytes:
                if start:
                    scope.cancel()
                return await original(start, size)

            form.cover.read_at = cancelled_there  # type: ignore[method-assign]
            await form.cover.save_to(tmp_path / "a")
        assert scope.cancelled_caught

    await post(Post("/").form(Album).handle(handler), multipart(part("title", b""), part("cover", pattern(BIG), "b")))
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - in an async function


# -- the end of the files


@pytest.mark.parametrize("size", [3, BIG])
async def test_the_files_are_closed_when_the_request_ends(size: int, spools: Spools) -> None:
    kept = []

    async def handler(form: Album) -> None:
        assert form.cover is not None
        kept.append(form.cover)

    await post(Post("/").form(Album).handle(handler), multipart(part("title", b""), part("cover", bytes(size), "b")))
    with pytest.raises(trio.ClosedResourceError, match="ends with its request"):
        await kept[0].read()
    assert_closed(spools)


def assert_closed(spools: Spools) -> None:
    assert spools != []
    for spool in spools:
        assert spool._closed
        assert spool._file is None or spool._file.closed


async def test_the_files_are_closed_when_the_handler_fails(spools: Spools) -> None:
    async def handler(form: Album) -> None:
        raise LookupError("broken")

    with pytest.raises(LookupError):
        await post(Post("/").form(Album).handle(handler), multipart(part("title", b""), part("cover", bytes(BIG), "b")))
    assert_closed(spools)


async def test_the_files_are_closed_when_the_form_is_refused(spools: Spools) -> None:
    reply = await post(ALBUM, multipart(part("cover", bytes(BIG), "b"), part("pages", b"text")))
    assert reply.status == 422
    assert_closed(spools)


@pytest.mark.parametrize("end", ["disconnect", "cancel"])
async def test_the_files_are_closed_when_the_request_ends_in_the_middle(end: str, spools: Spools) -> None:
    whole = multipart(part("title", b""), part("cover", bytes(BIG), "b"))
    sent: list[Any] = []
    cut = trio.Event()
    messages = [{"type": "http.request", "body": whole[: IN_MEMORY + 1000], "more_body": True}]

    async def receive() -> Any:
        if messages:
            return messages.pop()
        await cut.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with trio.open_nursery() as nursery:
        scope = scope_of("POST", "/", {"content-type": MULTIPART})
        nursery.start_soon(App().add(ALBUM), scope, receive, send)
        while not (spools and spools[0].is_on_disk):
            await trio.lowlevel.checkpoint()
        if end == "disconnect":
            cut.set()
        else:
            nursery.cancel_scope.cancel()
    assert_closed(spools)
    assert sent == []


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has a disk that is always full")  # noqa: PTH110
async def test_a_disk_that_is_full_is_an_error_of_the_app(spools: Spools, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(buffering: int) -> IO[bytes]:
        return open("/dev/full", "r+b", buffering)  # noqa: PTH123 - the spool closes it

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    body = multipart(part("title", b""), part("cover", bytes(BIG), "b"))
    async with TestClient(App().add(ALBUM)).stream(
        "/", method="POST", body=body, headers={"content-type": MULTIPART}
    ) as stream:
        assert stream.status == 500
        await stream.ended()
        assert str(stream.claim_error()) == "[Errno 28] No space left on device"
    assert_closed(spools)


# -- limits


@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        ({"max_size": 300}, "The request body is too large."),
        ({"max_file_size": 99}, "The file in 'cover' is larger than 99 bytes."),
        ({"max_text_size": 9}, "The text of the form is larger than 9 bytes."),
        ({"max_files": 1}, "The form has too many files; this path reads up to 1."),
        ({"max_fields": 1}, "The form has too many fields; this path reads up to 1."),
    ],
)
async def test_what_is_beyond_a_limit_is_a_413(limits: dict[str, int], detail: str, split: bool) -> None:
    parts = part("title", bytes(10)), part("x", b""), part("cover", bytes(100), "a"), part("y", b"", "a")
    body = multipart(*parts)
    chunks: bytes | list[bytes] = [body[i : i + 1] for i in range(len(body))] if split else body
    assert problem(await post(Post("/").form(Album, **limits).handle(show), chunks)) == (413, detail)


@pytest.mark.parametrize(
    "limits", [{"max_file_size": 100}, {"max_text_size": 10}, {"max_files": 2}, {"max_fields": 2}, {"max_size": 367}]
)
async def test_what_is_just_within_a_limit_is_read(limits: dict[str, int]) -> None:
    parts = part("title", bytes(10)), part("x", b""), part("cover", bytes(100), "a"), part("y", b"", "a")
    assert len(multipart(*parts)) == 367
    assert (await post(Post("/").form(Album, **limits).handle(show), multipart(*parts))).status == 200


@pytest.mark.parametrize(
    ("limits", "detail"),
    [
        ({"max_size": 7}, "The request body is too large."),
        ({"max_text_size": 7}, "The text of the form is larger than 7 bytes."),
        ({"max_fields": 1}, "The form has too many fields; this path reads up to 1."),
    ],
)
async def test_an_urlencoded_form_has_the_limits_too(limits: dict[str, int], detail: str) -> None:
    reply = await post(Post("/").form(SignUp, **limits).handle(sign_up), b"name=a&b", URLENCODED)
    assert problem(reply) == (413, detail)
    within = {name: limit + 1 for name, limit in limits.items()}
    assert (await post(Post("/").form(SignUp, **within).handle(sign_up), b"name=a&b", URLENCODED)).status == 200


async def test_a_body_that_says_that_it_is_too_large_is_refused_before_it_comes() -> None:
    client = TestClient(App().add(Post("/").form(SignUp, max_size=100).handle(sign_up)))
    headers = {"content-type": URLENCODED, "content-length": "101"}
    async with client.stream("/", method="POST", headers=headers) as stream:
        assert stream.status == 413
