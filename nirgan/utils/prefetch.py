"""A thread that reads ahead and one that writes behind, so that a network never waits for files.

Both end with the block that they belong to, however it ends, and an exception in either is raised
in the block. What waits between them is bounded.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@contextmanager
def prefetch(items: Generator[T, None, None], most: int) -> Iterator[Iterator[T]]:
    """Let a thread go through a generator, which is closed when the block ends.

    Yields:
        The same items, in their order, of which so many may wait; what the generator raises is
        raised here.
    """
    end: Any = object()

    def taken() -> Iterator[T]:
        waiting = deque(thread.submit(next, items, end) for _ in range(most))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, items, end))
            yield item

    with closing(items), _thread("nirgan-prefetch") as thread:
        yield taken()


@contextmanager
def write_behind(write: Callable[[T], None], most: int) -> Iterator[Callable[[T], None]]:
    """Let a thread write one item after another, of which so many may wait.

    Yields:
        A function that hands over an item. The end of the block waits until all are written; where
        the block ends with an exception, those that still wait are dropped.
    """
    waiting: deque[Future[None]] = deque()

    def settle(left: int) -> None:
        while len(waiting) > left:
            waiting.popleft().result()

    def put(item: T) -> None:
        settle(most)
        waiting.append(thread.submit(write, item))

    with _thread("nirgan-write-behind") as thread:
        yield put
        settle(0)


@contextmanager
def _thread(name: str) -> Iterator[ThreadPoolExecutor]:
    """One thread, which does no more than it is at when the block ends."""
    thread = ThreadPoolExecutor(1, thread_name_prefix=name)
    try:
        yield thread
    finally:
        thread.shutdown(cancel_futures=True)
