"""The body reader: a JSON body as a value of a model.

Owns which models a body can be read into, the check of its media type, and reading it. Pure. It does not know routes,
and it does not receive the body.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import attrs
import msgspec
from msgspec import inspect

from .._ground.pydantic_classes import check_supported, is_model, models_in
from .._ground.text import ascii_lower, strip_blanks
from ..errors import BadRequest, UnprocessableContent, UnsupportedMediaType
from .headers import Headers
from .input_filter import InputFilter
from .type_info import reachable, type_info
from .validation import VALIDATION_ERRORS, explain

if TYPE_CHECKING:
    from .pydantic_models import ModelReader

__all__ = ("DEFAULT_MAX_BODY", "BodyReader")

DEFAULT_MAX_BODY: Final = 1024 * 1024
"""The most bytes of a request body that are read, unless `.body(..., max_size=)` says otherwise."""

# Numbers with a fraction stay text until the model is known: as floats they would lose the digits of a Decimal.
UNTYPED: Final = msgspec.json.Decoder(float_hook=lambda text: msgspec.Raw(text.encode()))


@attrs.frozen
class BodyReader:
    """Reads a JSON body into a model.

    Attributes:
        decode: Decodes a body into the model.
        filter: Removes private fields, and refuses numbers that are not finite; None if the model has neither.
    """

    decode: Callable[[bytes], Any]
    filter: InputFilter | None

    @classmethod
    def of(cls, model: Any) -> BodyReader:
        """Prepare a reader.

        Raises:
            TypeError: JSON cannot be read into the model, or a private field has no default.
        """
        check_supported(model)
        if models_in(model):
            return cls(_reader_of(model).decode, None)
        info = type_info(model)
        if isinstance(info, inspect.CustomType):
            raise TypeError("it is a plain class; make it an attrs class or a dataclass")
        decoder = msgspec.json.Decoder(model, dec_hook=_hook_for(info))
        return cls(decoder.decode, InputFilter.of(info, strict=True))

    @staticmethod
    def check_media_type(headers: Headers) -> None:
        """Check that the Content-Type header names JSON.

        A page of another origin can post forms, plain text and bodies without a type, without asking first (WHATWG
        Fetch, CORS-safelisted request). None of them is read as JSON.

        Raises:
            UnsupportedMediaType: It names another type, or there is no such header.
        """
        media_type = ascii_lower(strip_blanks(headers.get("content-type", "").partition(";")[0]))
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise UnsupportedMediaType("This path reads application/json.")

    def read(self, body: bytes) -> Any:
        """Read a body.

        Raises:
            UnprocessableContent: It does not fit the model.
            BadRequest: It is not JSON, or it is nested too deeply.
        """
        try:
            # The typed decoder gets what the filter has seen, and not the body, since a name may come twice in it.
            filtered = body if self.filter is None else msgspec.json.encode(self.filter.apply(UNTYPED.decode(body)))
            return self.decode(filtered)
        except RecursionError:
            raise BadRequest("The body is nested too deeply.") from None
        except VALIDATION_ERRORS as problem:
            if isinstance(problem, UnicodeDecodeError) or _is_malformed(problem):
                raise BadRequest(f"The body is not JSON: {problem}") from None
            raise UnprocessableContent(f"The body does not fit: {explain(problem)}") from problem


def _hook_for(info: Any) -> Callable[[type[Any], Any], Any] | None:
    """What reads the models of pydantic inside another class; None if there are none."""
    readers: dict[type[Any], ModelReader] = {}
    for each in reachable(info):
        cls: Any = getattr(each, "cls", None)
        check_supported(cls)
        if is_model(cls):
            readers[cls] = _reader_of(cls)
    return partial(_read_model, readers) if readers else None


def _read_model(readers: Mapping[type[Any], ModelReader], cls: type[Any], value: Any) -> Any:
    reader = readers.get(cls)
    return value if reader is None else reader.decode(msgspec.json.encode(value))


def _reader_of(model: Any) -> ModelReader:
    from .pydantic_models import ModelReader  # noqa: PLC0415 - needs pydantic

    return ModelReader(model)


def _is_malformed(problem: Exception) -> bool:
    return isinstance(problem, msgspec.DecodeError) and not isinstance(problem, msgspec.ValidationError)
