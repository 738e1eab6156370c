"""A nursery hosted in a task of its own, by itself. (In a request: test_connection; in the app: test_services.)"""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_sse._ground.background import BackgroundNursery, alone


async def stubborn(seconds: float) -> None:
    with trio.CancelScope(shield=True):
        await trio.sleep(seconds)


async def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("shield", [False, True])
async def test_a_cancellation_from_outside_reaches_its_tasks_unless_they_are_shielded(
    shield: bool, autojump_clock: MockClock
) -> None:
    hosted = BackgroundNursery(shield=shield)
    async with trio.open_nursery() as host:
        nursery = await host.start(hosted.run_in_background)
        nursery.start_soon(trio.sleep_forever)
        host.cancel_scope.cancel()
        with trio.CancelScope(shield=True):
            await wait_all_tasks_blocked()
        assert bool(nursery.child_tasks) is shield
        assert await hosted.end(5, "it is over") == ()
    assert nursery.child_tasks == frozenset()


async def test_it_is_not_shielded_unless_it_is_asked_for(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as host:
        await host.start(BackgroundNursery().run_in_background)
        host.cancel_scope.cancel()
    assert trio.current_time() == 0


async def test_what_was_never_opened_has_nothing_to_end() -> None:
    assert await BackgroundNursery().end(5, "it is over") == ()


async def test_ending_waits_for_clean_up_and_its_own_host_cannot_cut_that_short(autojump_clock: MockClock) -> None:
    hosted = BackgroundNursery()
    async with trio.open_nursery() as host:
        nursery = await host.start(hosted.run_in_background)
        nursery.start_soon(stubborn, 3)
        await wait_all_tasks_blocked()
        host.cancel_scope.cancel()
        assert await hosted.end(5, "it is over") == ()
        assert trio.current_time() == 3


async def test_those_who_overstay_are_named_in_order(autojump_clock: MockClock) -> None:
    hosted = BackgroundNursery()
    async with trio.open_nursery() as host:
        nursery = await host.start(hosted.run_in_background)
        for name in ("b", "c", "a"):
            nursery.start_soon(stubborn, 60, name=name)
        nursery.start_soon(trio.sleep_forever, name="obedient")
        await wait_all_tasks_blocked()
        assert await hosted.end(5, "it is over") == ("a", "b", "c")
        assert trio.current_time() == 5
    assert trio.current_time() == 60


async def test_the_reason_of_its_end_is_in_the_cancellation(autojump_clock: MockClock) -> None:
    told = []

    async def listening() -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled as cancelled:
            told.append(cancelled.reason)
            raise

    hosted = BackgroundNursery()
    async with trio.open_nursery() as host:
        nursery = await host.start(hosted.run_in_background)
        nursery.start_soon(listening)
        await wait_all_tasks_blocked()
        await hosted.end(5, "it is over")
    assert told == ["it is over"]


async def test_one_error_is_raised_alone_and_several_together(autojump_clock: MockClock) -> None:
    one, other = ValueError("one"), KeyError("other")
    for errors in ([one], [one, other]):
        hosted = BackgroundNursery()
        with pytest.raises(BaseException) as raised:  # noqa: PT012 - as it comes out of a nursery around it
            async with trio.open_nursery(strict_exception_groups=True) as host:
                nursery = await host.start(hosted.run_in_background)
                for error in errors:
                    nursery.start_soon(fail, error)
        group = raised.value
        assert isinstance(group, ExceptionGroup)
        (inner,) = group.exceptions
        assert inner is one if len(errors) == 1 else set(getattr(inner, "exceptions", ())) == {one, other}
        assert await hosted.end(5, "it is over") == ()
        assert trio.current_time() == 0


def test_alone_unpacks_a_group_of_one_and_nothing_else() -> None:
    one, other = ValueError(), KeyError()
    pair = ExceptionGroup("both", [one, other])
    assert alone(one) is one
    assert alone(ExceptionGroup("one", [one])) is one
    assert alone(pair) is pair
    assert alone(ExceptionGroup("a group in it", [pair])) is pair


@pytest.mark.parametrize("shield", [False, True])
async def test_one_whose_owner_is_cancelled_before_it_is_there_does_not_stay(
    shield: bool, autojump_clock: MockClock
) -> None:
    """Its owner never gets it, so would never end it."""
    hosted = BackgroundNursery(shield=shield)
    with trio.fail_after(5):
        async with trio.open_nursery() as host:
            with trio.CancelScope() as owner:
                owner.cancel()
                await host.start(hosted.run_in_background)
    assert owner.cancelled_caught
    assert await hosted.end(5, "it is over") == ()
