"""The client that `--sse-client` names does what the standard says, over sockets."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio

from end_to_end.serving import serving

from .clients import Follow
from .parsers import load
from .scripts import SCRIPTS, Player, Script, disagreement

SECONDS = 30


@pytest.fixture
def follow(request: pytest.FixtureRequest) -> Follow:
    return load(str(request.config.getoption("--sse-client")))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
async def test_a_client_does_as_the_standard_says(script: Script, follow: Follow) -> None:
    def follow_to_the_end(url: str) -> list[Sequence[str]]:
        return list(follow(url))

    player = Player([script])
    async with serving(player) as server:
        with trio.fail_after(SECONDS):
            events = await trio.to_thread.run_sync(follow_to_the_end, f"{server.url}/0", abandon_on_cancel=True)
    found = disagreement(script, events, player.asked[0])
    if found is not None:
        pytest.fail(f"{script.name}\n{script.clause}\n{found}", pytrace=False)
