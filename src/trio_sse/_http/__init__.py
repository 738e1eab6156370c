"""HTTP as values: requests, responses, headers, paths, and the conversion of what they carry. Pure: no I/O, no Trio."""

__all__ = ()
