import itertools

import trio

from trio_sse import SSE, App


@SSE("/clock").handle
async def clock():
    for count in itertools.count(1):
        yield {"event": "tick", "data": {"count": count}}
        await trio.sleep(1)


app = App().add(clock)
