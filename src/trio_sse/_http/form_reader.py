"""The form reader: the fields of a form as a value of a model.

Owns the limits of a form, which models a form can be read into, and where it expects text and where a file. Pure. It
neither receives nor parses the body.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl

import attrs

from ..errors import BadRequest, BuildError, ContentTooLarge, UnprocessableContent
from .body_reader import DEFAULT_MAX_BODY
from .field_reader import FieldReader, Takes
from .uploaded_file import UploadedFile

__all__ = ("DEFAULT_MAX_FORM", "FormLimits", "FormReader", "parse_urlencoded")

DEFAULT_MAX_FORM: Final = 16 * 1024 * 1024
"""The most bytes of a form that are read, unless `.form(..., max_size=)` says otherwise."""

NOT_UTF8: Final = "The form is not valid UTF-8."


def _check_whole(_limits: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BuildError(f"{field.name} is a whole number above 0, not {value!r}")


@attrs.frozen(kw_only=True)
class FormLimits:
    """How much of a form is read. What is beyond one of these limits is a 413.

    Attributes:
        max_size: The most bytes of the whole body.
        max_file_size: The most bytes of one file; None allows as many as the body may have.
        max_text_size: The most bytes of all text fields together: they are kept in memory, whereas files are not.
        max_files: The most files.
        max_fields: The most text fields.
    """

    max_size: int = attrs.field(default=DEFAULT_MAX_FORM, validator=_check_whole)
    max_file_size: int | None = attrs.field(default=None, validator=attrs.validators.optional(_check_whole))
    max_text_size: int = attrs.field(default=DEFAULT_MAX_BODY, validator=_check_whole)
    max_files: int = attrs.field(default=16, validator=_check_whole)
    max_fields: int = attrs.field(default=1000, validator=_check_whole)

    def __str__(self) -> str:
        default = FormLimits()
        given = ((field.name, getattr(self, field.name)) for field in attrs.fields(FormLimits))
        return "".join(f", {name}={value!r}" for name, value in given if value != getattr(default, name))

    def check_fields(self, count: int) -> None:
        """Check the number of text fields.

        Raises:
            ContentTooLarge: There are too many.
        """
        if count > self.max_fields:
            raise ContentTooLarge(f"The form has too many fields; this path reads up to {self.max_fields}.")

    def check_files(self, count: int) -> None:
        """Check the number of files.

        Raises:
            ContentTooLarge: There are too many.
        """
        if count > self.max_files:
            raise ContentTooLarge(f"The form has too many files; this path reads up to {self.max_files}.")

    def check_text(self, size: int) -> None:
        """Check the bytes of the text fields.

        Raises:
            ContentTooLarge: There are too many.
        """
        if size > self.max_text_size:
            raise ContentTooLarge(f"The text of the form is larger than {self.max_text_size} bytes.")

    def check_file(self, name: str, size: int) -> None:
        """Check the bytes of a file.

        Raises:
            ContentTooLarge: There are too many.
        """
        if self.max_file_size is not None and size > self.max_file_size:
            raise ContentTooLarge(f"The file in {name!r} is larger than {self.max_file_size} bytes.")


@attrs.frozen
class FormReader(FieldReader):
    """Reads a form into a model."""

    what: ClassVar[str] = "form"
    takes: ClassVar[tuple[Takes, ...]] = (Takes.TEXT, Takes.FILES)

    def check_file(self, name: str) -> None:
        """Check that a field does not expect text, where a file has come.

        Raises:
            UnprocessableContent: It does.
        """
        if name in self.fields and name not in self.files:
            raise UnprocessableContent(f"The form does not fit: Expected text, got a file - at `$.{name}`")

    def read(self, values: Mapping[str, Sequence[str | UploadedFile]]) -> Any:
        """Make a value of the model from all values of each name.

        Raises:
            UnprocessableContent: They do not fit the model.
        """
        for name in sorted(self.files.intersection(values)):
            if any(isinstance(value, str) for value in values[name]):
                raise UnprocessableContent(
                    f"The form does not fit: Expected a file, got text - at `$.{name}`; "
                    'a page that sends files has <form enctype="multipart/form-data">'
                )
        return self.convert(values)


def parse_urlencoded(body: bytes, limits: FormLimits) -> dict[str, list[str]]:
    """The fields of a form of the type application/x-www-form-urlencoded.

    Raises:
        BadRequest: It is not UTF-8.
        ContentTooLarge: It has too many fields.
    """
    limits.check_fields(body.count(b"&") + 1)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise BadRequest(NOT_UTF8) from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    return values
