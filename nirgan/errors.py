"""Exceptions that end a command with one line."""


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


def printable_path(path: object) -> str:
    """A path as messages show it: in one line, whatever its name holds."""
    text = str(path)
    return text if text.isprintable() else repr(text)
