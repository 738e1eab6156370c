"""The encoder of what a plain handler returns: the app's, with messages that speak of a returned value. Pure."""

from __future__ import annotations

from ..errors import EventError, StepError
from ..wire import JSONEncoder

__all__ = ("value_encoder",)


def value_encoder(label: str, json: JSONEncoder) -> JSONEncoder:
    """Make the encoder of one route's values.

    Args:
        label: How messages name the route.
        json: The app's encoder. The default one reports a value that it cannot encode as the data of an event.

    Returns:
        An encoder that raises StepError instead. What an encoder of the app's own raises is not changed.
    """

    def encode(value: object) -> str | bytes:
        try:
            return json(value)
        except EventError as error:
            raise StepError(f"{label}: the value that the handler returned: {error.reason}") from error.__cause__

    return encode
