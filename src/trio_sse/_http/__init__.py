"""HTTP as values: requests, responses, headers, paths, and the conversion of their text. Pure: no I/O, no Trio."""

__all__ = ()
