"""The query reader: a query string as a value of a model. Pure."""

from __future__ import annotations

from typing import Any, ClassVar

import attrs

from .field_reader import FieldReader
from .headers import QueryParams

__all__ = ("QueryReader",)


@attrs.frozen
class QueryReader(FieldReader):
    """Reads a query string into a model."""

    what: ClassVar[str] = "query"

    def read(self, query: QueryParams) -> Any:
        """Read a query string.

        Raises:
            UnprocessableContent: It does not fit the model.
        """
        return self.convert({name: query.get_all(name) for name in self.fields.intersection(query)})
