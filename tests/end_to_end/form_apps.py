"""An app that reads forms, for a server in a process of its own."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import attrs

from trio_sse import App, Get, Post
from trio_sse.forms import UploadedFile

__all__ = ("uploads",)

MIB = 1024 * 1024


@attrs.frozen
class Upload:
    title: str
    file: UploadedFile | None = None
    more: list[UploadedFile] = attrs.field(factory=list)


async def show(form: Upload) -> dict[str, Any]:
    files = [file for file in (form.file, *form.more) if file is not None]
    read = [sum([len(piece) async for piece in file]) for file in files]
    return {"title": form.title, "files": [(file.filename, file.content_type) for file in files], "read": read}


def usage() -> dict[str, int]:
    """The most bytes of memory that the process has used, and its temporary files that are open."""
    links = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]  # noqa: PTH115
    deleted = [link for link in links if link.endswith("(deleted)")]
    return {"memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "files": len(deleted)}


uploads = App().add(
    Post("/large").form(Upload, max_size=200 * MIB).handle(show),
    Post("/small").form(Upload, max_size=5 * MIB, max_file_size=MIB, max_files=2, max_fields=2).handle(show),
    Get("/usage").handle(usage),
)
