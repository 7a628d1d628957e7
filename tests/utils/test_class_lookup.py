"""Classes named without their path."""

import pytest
from torch import nn

from nirgan.errors import NirganError
from nirgan.experiment.lightning_cli import configuration
from nirgan.utils import class_lookup
from nirgan.utils.class_lookup import full_path

SAME = "from torch import nn\n\n\nclass Same(nn.{}):\n    pass\n"


@pytest.fixture
def two_of_a_name(tmp_path, monkeypatch):
    for package, base in (("generators_here", "Module"), ("losses_here", "L1Loss")):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "same.py").write_text(SAME.format(base))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(class_lookup, "SHORT_NAME_PACKAGES", ("generators_here", "losses_here"))


def test_of_two_classes_of_a_name_the_one_of_the_kind_is_meant(two_of_a_name):
    assert full_path("Same", nn.L1Loss) == "losses_here.same.Same"
    assert full_path("Other", nn.L1Loss) == "Other"


def test_where_both_are_of_the_kind_the_path_is_asked_for(two_of_a_name):
    said = "Same may be generators_here.same.Same or losses_here.same.Same; name the one"
    with pytest.raises(NirganError, match=said):
        full_path("Same", nn.Module)
    with pytest.raises(NirganError, match=said):
        configuration(["--config=conf/quickstart.yaml", "--model.generator=Same"])
