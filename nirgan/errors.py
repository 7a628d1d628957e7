"""Errors that a command reports in one line, without a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager


class NirganError(Exception):
    """Invalid input, described in one line: what, where, what was expected, what to do.

    The command line prints only the message and exits with `status`, 2. Characters that cannot be
    printed, in file names for instance, are escaped.

    Args:
        lines: The message; further lines hold a list that it introduces.
    """

    status = 2

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(printable_path(line.rstrip()) for line in lines))


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
    """Turn the failed import of an optional dependency into a `NirganError`.

    Args:
        extra: The extra of this package that installs it.
        what: What needs it; the message begins with it.

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
    r"""Format a path or a message for one line: characters that cannot be printed are escaped.

    >>> printable_path("two\nlines.png")
    'two\\nlines.png'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(path))
