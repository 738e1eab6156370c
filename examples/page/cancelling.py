"""`aborted` cancels another operation: work that was started for a client ends when the client disconnects.

curl -N http://127.0.0.1:8000/videos/tea/transcode      (interrupt it, and the transcoding stops)
curl http://127.0.0.1:8000/videos/running
"""

from __future__ import annotations

import attrs
import trio

from trio_sse import SSE, Aborted, Controller, Events, Get


@attrs.frozen(eq=False)
class Job:
    video: str
    progress: trio.MemoryReceiveChannel[int]
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


class Transcoder:
    """Runs jobs in the app's nursery, so that they do not end with a request by themselves."""

    def __init__(self, app_nursery: trio.Nursery) -> None:
        self._nursery = app_nursery
        self.running: set[str] = set()

    def begin(self, video: str) -> Job:
        send, receive = trio.open_memory_channel[int](0)
        job = Job(video, receive)
        self._nursery.start_soon(self._transcode, job, send, name=f"transcoding {video}")
        return job

    async def _transcode(self, job: Job, progress: trio.MemorySendChannel[int]) -> None:
        self.running.add(job.video)
        try:
            with job.scope, progress:
                for percent in range(10, 101, 10):
                    await trio.sleep(0.2)  # the work
                    with trio.move_on_after(1):
                        await progress.send(percent)
        finally:
            self.running.discard(job.video)


async def cancel_with(aborted: Aborted, job: Job) -> None:
    await aborted.wait()
    job.scope.cancel(reason=f"aborted: {aborted.reason}")


async def transcode(video: str, transcoder: Transcoder, aborted: Aborted, nursery: trio.Nursery) -> Events:
    job = transcoder.begin(video)
    nursery.start_soon(cancel_with, aborted, job)  # in the request's nursery, so that it ends with the request

    async for percent in job.progress:
        yield {"event": "progress", "data": percent}
    yield {"event": "ready", "data": video}


async def running(transcoder: Transcoder) -> list[str]:
    return sorted(transcoder.running)


controller = Controller("/videos").routes(
    transcode=SSE("/:video/transcode").handle(transcode),
    running=Get("/running").handle(running),
)
