"""Whatever is handed over: the right picture, or one line that names the file. Nothing hangs."""

import re

import numpy as np
import pytest
from bad_inputs import bad_inputs
from picture_files import in_time

from nirgan.errors import NirganError, printable_path
from nirgan.inference.images.files import NirPicture, read

pytestmark = pytest.mark.posix


def problem(case):
    """What is wrong with how a file is taken; empty if all is well."""
    try:
        with in_time():
            picture = read(case.path)
    except NirganError as error:
        return wrong_in_message(str(error), case)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if isinstance(case.outcome, str):
        return f"was read as {picture.band.shape}, expected {case.outcome!r}"
    seen = slice(None) if picture.alpha is None else picture.alpha > 0  # what is hidden is filled
    pairs = (picture.band[seen], case.outcome.band[seen]), (picture.alpha, case.outcome.alpha)
    same = all(np.array_equal(got, expected) for got, expected in pairs)
    kinds = all(got is expected or got.dtype == expected.dtype for got, expected in pairs)
    return "" if same and kinds else "was read wrong"


def wrong_in_message(text, case):
    if isinstance(case.outcome, NirPicture):
        return f"refused: {text}"
    if not text.isprintable():
        return f"not one line: {text!r}"
    if not text.startswith(f"{printable_path(case.path)}: "):
        return f"does not name its file: {text}"
    return "" if re.search(case.outcome, text) else f"says {text!r}"


def test_bad_inputs(tmp_path, capfd):
    cases = bad_inputs(tmp_path)
    assert len(cases) > 60
    assert len({case.name for case in cases}) == len(cases)
    problems = {case.name: found for case in cases if (found := problem(case))}
    assert not problems, "\n".join(f"{name!r}: {text}" for name, text in problems.items())
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
