"""Servers of the MCP SDK, as its users would make them: mounted in an app of ours, and by themselves."""

from __future__ import annotations

from typing import Any

import trio
from mcp.server import MCPServer

from trio_sse import App, Get, Mount

__all__ = ("at_root", "below", "itself", "sdk_app")


def sdk_app(*, json_response: bool = False) -> Any:
    """A new app of the SDK, with a tool that adds two numbers. It can be started once."""
    server = MCPServer("sums", log_level="WARNING")

    @server.tool()
    async def add(a: int, b: int) -> int:
        await trio.lowlevel.checkpoint()
        return a + b

    return server.streamable_http_app(json_response=json_response)


below = App().add(Mount("/ai", sdk_app()), Get("/").handle(lambda: 1))
at_root = App().add(Mount("/", sdk_app(json_response=True)), Get("/").handle(lambda: 1))
itself = sdk_app()
