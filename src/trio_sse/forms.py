"""Forms: the types of what `.form(Model)` reads.

Owns no code: it names the public type for uploaded files. Reading forms needs python-multipart, which
`pip install trio-sse[forms]` installs.
"""

from ._http.uploaded_file import UploadedFile

__all__ = ("UploadedFile",)
