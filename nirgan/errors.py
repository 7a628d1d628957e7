"""The one exception for what a person can mend."""


class NirganError(Exception):
    """Input that cannot be used, described in one line: what, where, what was expected, what to do.

    The command line prints the message alone and exits with status 2.
    """
