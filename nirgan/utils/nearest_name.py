"""The nearest right name for a wrong one."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """End of an error message: `; did you mean ...?`, or all names where they are few, or nothing.

    >>> did_you_mean("tripelt", ["triplet", "flat"])
    "; did you mean 'triplet'?"
    >>> did_you_mean("color", ["urban", "water"])
    '; there are urban, water'
    """
    known = sorted(n for n in names if n)
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if found:
        return f"; did you mean {found[0]!r}?"
    return f"; there are {', '.join(known)}" if 0 < len(known) <= 12 else ""
