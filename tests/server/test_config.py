"""hypercorn's configuration as `serve` and `run` make it."""

from __future__ import annotations

from typing import Any

import pytest
from hypercorn.config import Config

from trio_sse._server import make_config


def test_the_defaults_suit_streams() -> None:
    config = make_config()
    assert config.backlog == 2048
    assert config.keep_alive_max_requests > 10**9
    assert config.bind == ["127.0.0.1:8000"]


def test_options_are_hypercorns_by_name() -> None:
    config = make_config(bind="127.0.0.1:9", graceful_timeout=1.5, backlog=10)
    assert (config.bind, config.graceful_timeout, config.backlog) == (["127.0.0.1:9"], 1.5, 10)


def test_a_given_configuration_is_copied_and_keeps_what_it_sets() -> None:
    given = Config.from_mapping(keep_alive_max_requests=5, bind="127.0.0.1:9")
    made = make_config(given, graceful_timeout=1)
    assert made.keep_alive_max_requests == 5
    assert made.backlog == 2048
    assert made.bind == ["127.0.0.1:9"]
    assert given.backlog == 100
    assert given.graceful_timeout == 3


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("gracefull_timeout", "hypercorn has no option 'gracefull_timeout'; did you mean 'graceful_timeout'\\?"),
        ("websocket_ping_interval", "hypercorn has no option 'websocket_ping_interval'"),
        (
            "workers",
            "'workers' is an option of hypercorn's process manager, which serve\\(\\) and run\\(\\) do not use",
        ),
    ],
)
def test_what_cannot_be_set_is_a_clear_error(option: str, message: str) -> None:
    options: dict[str, Any] = {option: 1}
    with pytest.raises(TypeError, match=message):
        make_config(**options)
