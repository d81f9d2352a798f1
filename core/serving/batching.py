"""Requests that arrive together are answered together: a bounded queue, and a thread that takes batches from it."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from core.explain.model import use_one_thread

Question = TypeVar("Question")
Reply = TypeVar("Reply")


class BusyError(Exception):
    """Raised where the queue is full."""


@dataclass(frozen=True)
class QueuedRequest(Generic[Question, Reply]):
    """A request in the queue, and where its answer goes."""

    question: Question
    reply: asyncio.Future[Reply]


class Batcher(Generic[Question, Reply]):
    """Answers requests in batches, one batch at a time. Used by one event loop.

    A batch is computed once it has `size` requests, once no other request is being read, or `wait` seconds after its first one.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Question]], Sequence[Reply]],
        *,
        size: int,
        wait: float,
        places: int,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        """`places`: requests that are read, wait or are computed at a time. `on_batch` is called with the size of each batch."""
        self._answer, self._size, self._wait, self._places, self._on_batch = answer, size, wait, places, on_batch
        self._queue: asyncio.Queue[QueuedRequest[Question, Reply]] = asyncio.Queue()
        self._arriving = 0  # requests that are being read
        self._inside = 0  # requests that wait or are computed
        self._thread = ThreadPoolExecutor(1, "network", initializer=use_one_thread)

    @property
    def taken(self) -> int:
        """The places that are taken."""
        return self._arriving + self._inside

    @contextmanager
    def arrival(self) -> Iterator[None]:
        """Hold a place for a request as long as it is being read. Raises BusyError."""
        if self.taken >= self._places:
            raise BusyError
        self._arriving += 1
        try:
            yield
        finally:
            self._arriving -= 1

    async def answer(self, question: Question) -> Reply:
        """Return the answer to a request once its batch has been computed. Raises what the computation of the batch raises."""
        waiting: QueuedRequest[Question, Reply] = QueuedRequest(question, asyncio.get_running_loop().create_future())
        self._inside += 1
        try:
            self._queue.put_nowait(waiting)
            return await waiting.reply
        finally:
            self._inside -= 1

    async def work(self) -> None:
        """Answer requests until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                batch = [one for one in await self._collected() if not one.reply.done()]  # a reply is done where its time is over
                if not batch:
                    continue
                self._on_batch(len(batch))
                try:
                    replies = await loop.run_in_executor(self._thread, self._answer, [one.question for one in batch])
                except Exception as error:
                    for one in batch:
                        if not one.reply.done():
                            one.reply.set_exception(error)
                    continue
                for one, reply in zip(batch, replies, strict=True):
                    if not one.reply.done():
                        one.reply.set_result(reply)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    async def _collected(self) -> list[QueuedRequest[Question, Reply]]:
        """Wait for the next batch."""
        batch = [await self._queue.get()]
        with suppress(TimeoutError):
            async with asyncio.timeout(self._wait):
                while len(batch) < self._size and (self._arriving or not self._queue.empty()):
                    batch.append(await self._queue.get())
        return batch
