"""Errors that a command reports in one line, without a traceback."""


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


def printable_path(path: object) -> str:
    """Format a path for messages: on one line, with control characters escaped."""
    text = str(path)
    return text if text.isprintable() else repr(text)
