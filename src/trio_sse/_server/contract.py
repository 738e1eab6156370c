"""The contract: the parts inside hypercorn that our own worker relies on, none of which is a documented interface.

Owns the list, and the comparison with the hypercorn that is installed. If they differ, the stock worker serves.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

__all__ = ("ATTRIBUTES", "SIGNATURES", "misfits")

SIGNATURES: Final[Mapping[str, str]] = {
    "trio.tcp_server:TCPServer.__init__": "self app config context state stream",
    "trio.tcp_server:TCPServer.protocol_send": "self event",
    "trio.tcp_server:TCPServer._read_data": "self",
    "trio.tcp_server:TCPServer._close": "self",
    "trio.tcp_server:TCPServer._idle_timeout": "self",
    "trio.tcp_server:TCPServer._initiate_server_close": "self",
    "trio.task_group:TaskGroup.spawn_app": "self app config scope send",
    "trio.lifespan:Lifespan.__init__": "self app config state",
    "trio.lifespan:Lifespan.handle_lifespan": "self task_status",
    "trio.lifespan:Lifespan.asgi_send": "self message",
    "trio.lifespan:Lifespan.wait_for_startup": "self",
    "trio.lifespan:Lifespan.wait_for_shutdown": "self",
    "trio.udp_server:UDPServer.__init__": "self app config context state socket",
    "trio.worker_context:WorkerContext.__init__": "self max_requests",
    "trio.worker_context:TrioSingleTask.restart": "self task_group action",
    "trio.worker_context:TrioSingleTask.stop": "self",
    "protocol:ProtocolWrapper.__init__": (
        "self app config context task_group state ssl client server send alpn_protocol"
    ),
    "protocol:ProtocolWrapper.initiate": "self",
    "protocol.h11:H11Protocol.__init__": "self app config context task_group connection_state ssl client server send",
    "protocol.h11:H11Protocol.handle": "self event",
    "protocol.h11:H11Protocol.stream_send": "self event",
    "protocol.h2:H2Protocol.__init__": "self app config context task_group connection_state ssl client server send",
    "protocol.h2:H2Protocol.initiate": "self headers settings",
    "protocol.h2:H2Protocol.handle": "self event",
    "protocol.h2:H2Protocol.stream_send": "self event",
    "protocol.h2:H2Protocol._create_stream": "self request",
    "protocol.h2:H2Protocol._handle_events": "self events",
    "protocol.h2:H2Protocol._flush": "self",
    "protocol.h2:H2Protocol._priority_updated": "self event",
    "protocol.h2:H2Protocol._window_updated": "self stream_id",
    "protocol.h2:StreamBuffer.__init__": "self event_class",
    "protocol.h2:StreamBuffer.push": "self data",
    "protocol.h2:StreamBuffer.pop": "self max_length",
    "protocol.h2:StreamBuffer.close": "self",
    "protocol.http_stream:HTTPStream.app_send": "self message",
    "config:Config.create_ssl_context": "self",
    "config:Config.create_sockets": "self",
    "config:Config._set_quic_addresses": "self sockets",
    "config:Config.set_statsd_logger_class": "self statsd_logger",
    "utils:parse_socket_addr": "family address",
    "utils:repr_socket_addr": "family address",
}
"""Functions, each with the names of its parameters."""

ATTRIBUTES: Final[Mapping[str, str]] = {
    "trio.tcp_server:TCPServer": "send_lock idle_task",
    "protocol.h2:H2Protocol": "closed connection context priority stream_buffers streams",
    "protocol.h2:StreamBuffer": "buffer _complete _is_empty _paused",
    "protocol.http_stream:HTTPStream": "closed state",
    "trio.worker_context:WorkerContext": "terminate terminated",
}
"""Classes, each with attributes that its `__init__` sets."""


def misfits() -> str:
    """The parts that differ in the installed hypercorn, as text for the log; empty if none does."""
    return ", ".join(_misfits())


def _misfits() -> Iterator[str]:
    for place, expected in SIGNATURES.items():
        function = _find(place)
        if function is None or " ".join(inspect.signature(function).parameters) != expected:
            yield place
    for place, expected in ATTRIBUTES.items():
        made = _find(f"{place}.__init__")
        names = () if made is None else made.__code__.co_names
        yield from (f"{place}.{name}" for name in expected.split() if name not in names)


def _find(place: str) -> Any:
    """An object by its module and its name in it; None if it does not exist."""
    module, _, path = place.partition(":")
    try:
        found: Any = import_module(f"hypercorn.{module}")
    except ImportError:
        return None
    for name in path.split("."):
        found = getattr(found, name, None)
    return found
