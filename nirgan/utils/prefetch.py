"""A thread that reads ahead and one that writes behind, so that a network never waits for files.

Both end with the block that they belong to, however it ends, and an exception in either is raised
in the block. What waits between them is bounded.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from queue import Empty, Queue
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def ahead(items: Generator[T, None, None], most: int) -> Iterator[Iterator[T]]:
    """Let a thread go through a generator.

    Args:
        items: Belongs to the thread from now on, which closes it.
        most: How many items may wait.

    Yields:
        The same items, in their order; what the generator raises is raised here.
    """
    line: Queue[tuple[T] | BaseException | None] = Queue(most)
    stop = threading.Event()

    def read() -> None:
        end = None
        try:
            with closing(items):
                for item in items:
                    if stop.is_set():
                        break
                    line.put((item,))
        except BaseException as error:  # whatever it is, the block has to hear of it
            end = error
        line.put(end)

    def taken() -> Iterator[T]:
        while isinstance(got := line.get(), tuple):
            yield got[0]
        if got is not None:
            raise got

    thread = threading.Thread(target=read, name="nirgan-ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stop.set()
        while thread.is_alive():  # it may wait for room in the queue
            with suppress(Empty):
                line.get_nowait()
            thread.join(0.01)


@contextmanager
def behind(write: Callable[[T], None], most: int) -> Iterator[Callable[[T], None]]:
    """Let a thread write.

    Args:
        write: Called in the thread with one item after another.
        most: How many items may wait.

    Yields:
        A function that hands over an item. The end of the block waits until all are written; where
        the block ends with an exception, those that still wait are dropped.
    """
    line: Queue[tuple[T] | None] = Queue(most)
    failed: list[BaseException] = []

    def run() -> None:
        while (got := line.get()) is not None:
            if failed:
                continue  # emptied, so that `put` never waits for a thread that does nothing
            try:
                write(got[0])
            except BaseException as error:  # likewise
                failed.append(error)

    def put(item: T) -> None:
        if failed:
            raise failed[0]
        line.put((item,))

    thread = threading.Thread(target=run, name="nirgan-behind", daemon=True)
    thread.start()
    try:
        yield put
    except BaseException as error:
        failed.append(error)
        raise
    finally:
        line.put(None)
        thread.join()
    if failed:
        raise failed[0]
