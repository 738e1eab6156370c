"""What responses consist of: the built-in `response` of steps and handlers, headers, cookies, the source of a stream.

Owns no code: it names the public types that are not needed to write an app, but in its annotations. `Response`,
`Redirect`, `EventStream` and `CORS` are at the top of the package.
"""

from ._http.response_head import ResponseHead, ResponseHeaders
from ._http.response_headers import HeaderItems, HeaderPairs, RawHeaders
from ._http.set_cookie import CookieAttributes, SameSite
from ._routes.event_stream import StreamSource

__all__ = (
    "CookieAttributes",
    "HeaderItems",
    "HeaderPairs",
    "RawHeaders",
    "ResponseHead",
    "ResponseHeaders",
    "SameSite",
    "StreamSource",
)
