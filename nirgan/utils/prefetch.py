"""Reads and writes in background threads, so that a network does not wait for files.

Each thread ends with its `with` block; its exceptions are raised in the block. Queues are bounded.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def prefetch(items: Generator[T, None, None], limit: int) -> Iterator[Iterator[T]]:
    """Run a generator in a thread, at most `limit` items ahead; the end of the block closes it.

    Yields:
        The items, in order.
    """
    end: Any = object()

    def results() -> Iterator[T]:
        waiting = deque(thread.submit(next, items, end) for _ in range(limit))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, items, end))
            yield item

    with closing(items), _thread("nirgan-prefetch") as thread:
        yield results()


@contextmanager
def write_behind(write: Callable[[T], None], limit: int) -> Iterator[Callable[[T], None]]:
    """Write items in a thread, at most `limit` behind.

    Yields:
        A function that queues an item. The end of the block waits until all are written; if it ends
        with an exception, queued items are dropped.
    """
    waiting: deque[Future[None]] = deque()

    def settle(left: int) -> None:
        while len(waiting) > left:
            waiting.popleft().result()

    def put(item: T) -> None:
        settle(limit)
        waiting.append(thread.submit(write, item))

    with _thread("nirgan-write-behind") as thread:
        yield put
        settle(0)


@contextmanager
def _thread(name: str) -> Iterator[ThreadPoolExecutor]:
    """One thread; the end of the block cancels what it has not started."""
    thread = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)
