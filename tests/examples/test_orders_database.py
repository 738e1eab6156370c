"""What examples/orders takes for a database, and the values that it keeps there. (On real ones: tests/end_to_end.)"""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from end_to_end.limits import within
from examples.orders.database import DatabaseSettings, UnusableURL, open_database
from examples.orders.domain import NewOrder, Status


@within(20)
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://", "in a file"),
        ("sqlite:///:memory:", "in a file"),
        ("sqlite:///file:orders?mode=memory&uri=true", "in a file"),
        ("mysql://localhost/orders", "not in mysql:"),
        ("postgresql+psycopg2://localhost/orders", r"not in postgresql\+psycopg2:"),
    ],
)
async def test_a_database_that_cannot_be_used_is_refused_and_says_what_can(url: str, told: str) -> None:
    with pytest.raises(UnusableURL, match=told):
        async with open_database(DatabaseSettings(url)):
            pytest.fail("it was opened")


@within(20)
async def test_a_file_that_cannot_be_made_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match="unable to open"):
        async with open_database(DatabaseSettings(f"sqlite:///{tmp_path}/nowhere/orders.db")):
            pytest.fail("it was opened")


def test_settings_that_mean_no_limit_are_refused() -> None:
    with pytest.raises(ValueError, match="statement_seconds"):
        DatabaseSettings(statement_seconds=0)
    with pytest.raises(ValueError, match="connections"):
        DatabaseSettings(connections=0)


def test_settings_do_not_show_a_password() -> None:
    assert "secret" not in repr(DatabaseSettings("postgresql://ann:secret@localhost/orders"))


@pytest.mark.parametrize(
    ("item", "quantity", "told"),
    [
        ("", 1, "item"),
        ("x" * 201, 1, "item"),
        ("tea\0", 1, "item must not contain the character NUL"),
        ("tea", 0, "quantity"),
        ("tea", 1001, "quantity"),
    ],
)
def test_a_new_order_is_checked(item: str, quantity: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        NewOrder(item, quantity)


@pytest.mark.parametrize("status", Status)
def test_no_state_follows_itself_or_a_final_one(status: Status) -> None:
    assert not status.may_follow & {status, Status.SHIPPED, Status.CANCELLED}
