"""HTTP/1.1 (RFC 9112) on httptools: requests in, responses out, and the connection that carries them.

`head` and `body` read a request, `response` frames a response: state machines without I/O. `exchange` is one request
and its response as ASGI sees them, and `connection` is the task that reads and the tasks that answer.
"""

__all__ = ()
