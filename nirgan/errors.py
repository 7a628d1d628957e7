"""Exceptions that end a command with one line."""

from collections.abc import Iterator
from contextlib import contextmanager


class NirganError(Exception):
    """Input that cannot be used, described in one line: what, where, what was expected, what to do.

    The command line prints the message alone and exits with its status, 2.
    """

    status = 2


class StoppedError(NirganError):
    """A run that a signal has ended, its state saved.

    Args:
        message: What was done, and how to go on.
        status: The exit status, 128 + signal as shells have it.
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
    """A path as messages show it: in one line, whatever its name holds."""
    text = str(path)
    return text if text.isprintable() else repr(text)
