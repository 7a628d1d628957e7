"""Errors that a command reports in one line, without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager


class NirganError(Exception):
    """Invalid input, described in one line: what, where, what was expected, what to do.

    The command line prints only the message and exits with `status`, 2.
    """

    status = 2


class StoppedError(NirganError):
    """A signal has stopped a run, whose state is saved.

    Args:
        message: What was saved, and how to resume.
        status: The exit status: 128 + the number of the signal, as in a shell.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def needs_extra(extra: str, what: object) -> Iterator[None]:
    """Around the imports of what an extra of this package brings.

    Args:
        extra: Its name.
        what: That needs it; the message begins with it.

    Raises:
        NirganError: A module is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise NirganError(
            f"{what}: {error.name} is not installed, and this needs it: "
            f"pip install 'nirgan[{extra}]'"
        ) from error


def printable_path(path: object) -> str:
    """Format a path for messages: on one line, with control characters escaped."""
    text = str(path)
    return text if text.isprintable() else repr(text)
