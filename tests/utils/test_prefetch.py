import threading
import time

import pytest

from nirgan.utils.prefetch import prefetch, write_behind


def alive():
    return [t.name for t in threading.enumerate() if t.name.startswith("nirgan-")]


def counting(upto, taken, closed=None):
    try:
        for number in range(upto):
            taken.append(number)
            yield number
    finally:
        if closed is not None:
            closed.append(threading.current_thread().name)


def settled(values):
    """Their number, once nothing has been added for a while."""
    before = -1
    while len(values) != before:
        before = len(values)
        time.sleep(0.05)
    return before


def test_reads_ahead_in_order_and_not_without_bound():
    taken, closed = [], []
    with prefetch(counting(100, taken, closed), 3) as items:
        assert next(items) == 0
        assert settled(taken) == 4  # one taken, three waiting
        assert list(items) == list(range(1, 100))
    assert len(closed) == 1


def test_an_error_of_the_generator_is_raised_after_what_came_before_it():
    def broken():
        yield from (1, 2)
        raise ValueError("three")

    got = []
    with pytest.raises(ValueError, match="three"), prefetch(broken(), 1) as items:
        got.extend(items)
    assert got == [1, 2]
    assert alive() == []


def test_a_block_that_fails_leaves_no_thread():
    closed, written = [], []
    items, put = prefetch(counting(100, [], closed), 1), write_behind(written.append, 1)
    with pytest.raises(KeyboardInterrupt), items as items, put as put:  # noqa: PT012
        put(next(items))
        raise KeyboardInterrupt
    assert alive() == []
    assert len(closed) == 1


def test_writes_all_in_order_before_the_block_ends():
    written = []

    def slow(item):
        time.sleep(0.002)
        written.append(item)

    with write_behind(slow, 2) as put:
        for number in range(20):
            put(number)
    assert written == list(range(20))
    assert alive() == []


def test_what_waits_to_be_written_is_bounded():
    gate, handed = threading.Event(), []

    def hand_over(put):
        for number in range(10):
            put(number)
            handed.append(number)

    with write_behind(lambda _: gate.wait(5), 2) as put:
        thread = threading.Thread(target=hand_over, args=(put,))
        thread.start()
        assert settled(handed) == 3  # one being written, two waiting
        gate.set()
        thread.join()


@pytest.mark.parametrize("count", [1, 50])
def test_an_error_in_writing_ends_the_block(count):
    """Whether it shows while items are handed over, more than can wait, or only at the end."""

    def broken(item):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"), write_behind(broken, 1) as put:  # noqa: PT012
        for number in range(count):
            put(number)
    assert alive() == []


def test_what_waits_is_dropped_where_the_block_fails():
    written, begun, gate = [], threading.Event(), threading.Event()

    def slow(item):
        begun.set()
        gate.wait(5)
        written.append(item)

    with pytest.raises(ValueError, match="stop"), write_behind(slow, 10) as put:  # noqa: PT012
        for number in range(10):
            put(number)
        assert begun.wait(30)
        threading.Timer(0.05, gate.set).start()
        raise ValueError("stop")
    assert written == [0]
