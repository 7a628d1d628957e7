"""Which room may import which, and where libraries may be imported: read off the source itself.

Imports within functions and those for type checkers alone count as well: what one room knows of
another is known, whenever it is imported.
"""

import ast
import inspect
import re
import sys
import tomllib
from dataclasses import dataclass
from graphlib import TopologicalSorter
from importlib import import_module
from itertools import chain

import pytest
from conftest import ROOT
from lightning.pytorch.loggers import CSVLogger

from nirgan import LAZY
from nirgan.utils.class_lookup import SHORT_NAME_PACKAGES

BASE = {"errors", "utils"}
CORE = {"networks", "losses", "metrics", "data"} | BASE
METHODS = {"tasks", "callbacks", "evaluation"} | CORE
TRAINING = {"experiment"} | METHODS
RULE = {
    "errors": set(),
    "utils": {"errors"},
    "networks": BASE,
    "losses": BASE,
    "metrics": BASE,
    "data": BASE,
    "tasks": CORE,
    "callbacks": CORE | {"tasks"},
    "evaluation": CORE | {"tasks", "callbacks"},
    "inference": BASE | {"networks", "metrics", "data"},
    "experiment": METHODS,
    "benchmark": TRAINING,
    "sweeps": TRAINING,
    "cli": TRAINING | {"inference", "benchmark", "sweeps"},
    "__init__": {"inference", "tasks", "data", "metrics"},
    "__main__": {"cli"},
}
"""By room, from below: those that it may import, beside itself."""

ARRAYS = {"tiling", "uncertainty", "conversions", "nodata_fill"}
INFERENCE = {
    "tiling": set(),
    "uncertainty": set(),
    "nodata_fill": set(),
    "conversions": {"nodata_fill"},
    "images": ARRAYS,
    "models": set(),
    "colorizer": ARRAYS | {"images", "models"},
    "export": ARRAYS | {"models", "colorizer"},
    "load": {"models", "colorizer", "export"},
    "video": ARRAYS | {"images", "colorizer"},
    "geotiff": ARRAYS | {"images", "colorizer"},
    "batch": ARRAYS | {"images", "colorizer", "video", "geotiff"},
    "demo": ARRAYS | {"images", "colorizer"},
}
"""The same of the rooms and files within inference/."""

LIBRARIES = {
    "PIL": "data inference.conversions inference.images",
    "albumentations": "data",
    "av": "inference.video",
    "cv2": "data inference",
    "filelock": "benchmark.runner",
    "gradio": "inference.demo",
    "huggingface_hub": "inference.load",
    "imagecodecs": "data.decoding inference.images",
    "jsonargparse": "cli experiment utils.config_files benchmark.suite",
    "lightning": (
        "utils.lightning_internals tasks callbacks experiment data.datamodule data.data_snapshot "
        "evaluation.summary benchmark.runner benchmark.costs sweeps.trial"
    ),
    "matplotlib": "benchmark.figures sweeps.figures",
    "numpy": "utils networks data callbacks evaluation inference benchmark sweeps",
    "omegaconf": "experiment",
    "onnxruntime": "inference.export",
    "optuna": "sweeps",
    "psutil": "inference.colorizer",
    "rasterio": "data.rasters inference.geotiff",
    "safetensors": "inference.models",
    "scipy": "networks data.sources.rgbn",
    "sqlalchemy": "sweeps.study",
    "tifffile": "benchmark.runner data.decoding",
    "torch": (
        "utils.safe_loading utils.image_grid utils.color_spaces utils.recording "
        "utils.lightning_internals networks losses metrics data tasks callbacks evaluation "
        "inference experiment benchmark"
    ),
    "torchmetrics": "losses metrics tasks",
    "tqdm": "cli data inference.batch benchmark.progress sweeps.run",
    "wandb": "experiment.wandb_logger",
    "yaml": "utils.config_files experiment sweeps",
}
"""Every library beside the standard one, and the rooms and files that may import it."""

PRIVATE = {
    "inference.demo.app": "gradio",
    "utils.config_files": "jsonargparse",
    "utils.lightning_internals": "lightning",
}
"""The files that may use private parts of a library, one each, and of which."""

LOOPS = {"epoch_loop", "fit_loop"}
"""Parts of Lightning's trainer that are private without the name of such."""

FILES = {"glob", "io", "os", "pathlib", "shutil", "tempfile", "zipfile"}
KNOW_NO_FILES = {"networks", "losses", "metrics"}


@dataclass(frozen=True)
class Import:
    """Module `where` (without `nirgan.`) imports `what`; later: in a function, or for types."""

    where: str
    what: str
    later: bool = False


def modules():
    """Source by module, `__init__` being the package's own file."""
    found = {}
    for file in sorted((ROOT / "nirgan").rglob("*.py")):
        parts = file.relative_to(ROOT / "nirgan").with_suffix("").parts
        name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
        found[name] = file.read_text(encoding="utf-8")
    return found


SOURCES = modules()


def imports(where, source):
    """All imports of a module."""
    found = []

    def visit(node, later):
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.Attribute) and ast.unparse(inner.value) == "nirgan":
                found.extend(Import(where, LAZY[name], True) for name in LAZY if name == inner.attr)
            if isinstance(inner, ast.Import):
                found.extend(Import(where, alias.name, later) for alias in inner.names)
            elif isinstance(inner, ast.ImportFrom):
                assert not inner.level, f"{where}: a relative import"
                for alias in inner.names:
                    whole = f"{inner.module}.{alias.name}"
                    if inner.module == "nirgan":
                        whole = LAZY.get(alias.name, whole)  # imports that module, and others
                    module = whole.removeprefix("nirgan.") in SOURCES
                    found.append(Import(where, whole if module else inner.module, later))
            else:
                types = isinstance(inner, ast.If) and "TYPE_CHECKING" in ast.unparse(inner.test)
                function = isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                visit(inner, later or types or function)

    visit(ast.parse(source), False)
    return found


ALL = [found for where, source in SOURCES.items() for found in imports(where, source)]


def within(module, rooms):
    return any(f"{module}.".startswith(f"{room}.") for room in rooms)


def broken(one):
    """Which rule an import breaks; empty if none."""
    room = one.where.partition(".")[0]
    package, _, what = one.what.partition(".")
    if package == "nirgan":
        other, _, inner = what.partition(".")
        if not other or other == room:  # the package itself has the version and nothing else
            return broken_in_inference(one, inner) if room == "inference" else ""
        return "" if other in RULE[room] else f"{room} may not know {other}"
    if room in KNOW_NO_FILES and package in FILES:
        return f"{room} knows nothing of files"
    if package in sys.stdlib_module_names:
        return ""
    allowed = LIBRARIES.get(package, "").split()
    return "" if within(one.where, allowed) else f"{package} is for {allowed or 'nobody'}"


def private(source):
    """Private parts of other modules' objects that a module uses."""
    for node in ast.walk(ast.parse(source)):
        names, owner = [], ""
        match node:
            case ast.Attribute(value=of, attr=name):
                names, owner = [name], ast.unparse(of)
            case ast.Call(func=ast.Name(id="getattr"), args=[of, ast.Constant(value=name), *_]):
                names, owner = [name], ast.unparse(of)
            case ast.ImportFrom(module=module, names=aliases):
                names = [*module.split("."), *(alias.name for alias in aliases)]
        for name in names:
            hidden = name.startswith("_") and not name.startswith("__")
            if name in LOOPS or (hidden and owner not in ("self", "cls", "super()")):
                yield f"{owner}.{name}"


def inherited(of_class):
    """Private names that a class shares with classes of a library that it is derived from."""
    found = set()
    for base in of_class.__mro__[1:]:
        package = base.__module__.partition(".")[0]
        if package in {*PRIVATE.values(), "argparse"}:
            theirs = set(re.findall(r"(?:self\.|def )(_[a-z]\w*)", inspect.getsource(base)))
            found |= theirs & set(re.findall(r"\b_[a-z]\w*", inspect.getsource(of_class)))
    return found


def broken_in_inference(one, inner):
    room, other = one.where.split(".")[1:2], inner.partition(".")[0]
    if not room or not other or [other] == room or other in INFERENCE[room[0]]:
        return ""
    return f"inference.{room[0]} may not know inference.{other}"


def test_rooms_and_libraries():
    assert {f"{one.where} imports {one.what}: {broken(one)}" for one in ALL if broken(one)} == set()


def test_private_parts_of_libraries_are_used_in_one_file_each():
    found = {where: [*private(source)] for where, source in SOURCES.items()}
    assert {where: names for where, names in found.items() if names and where not in PRIVATE} == {}
    assert all(found[where] for where in PRIVATE)
    deriving = {one.where for one in ALL if one.what.partition(".")[0] in PRIVATE.values()}
    for where in deriving - PRIVATE.keys():
        for name in re.findall(r"^class (\w+)", SOURCES[where], re.MULTILINE):
            of_class = getattr(import_module(f"nirgan.{where}"), name)
            assert inherited(of_class) == set(), f"{where}.{name}"


def test_a_library_whose_private_parts_are_used_has_an_upper_bound():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    for library in PRIVATE.values():
        bounds = [one for one in asked if re.match(rf"{library}\b", one)]
        assert bounds
        assert all(re.search(r",<\d", one) for one in bounds), bounds


NAMING = {
    "benchmark.figures": "draws maps of angles, whatever the main metric is",
    "sweeps.file": "gives an example",
}


def test_name_and_unit_of_the_main_metric_stand_in_one_place():
    found = set()
    for where, source in SOURCES.items():
        tree = ast.parse(source)
        texts = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            said = isinstance(node, ast.Constant) and id(node) not in texts and str(node.value)
            if said and re.search(r"(?<!\.)angular_error|[Aa]ngular error \(|\(deg", said):
                found.add(where)
    assert {one for one in found if not within(one, ["metrics"])} == NAMING.keys()


def test_the_data_sets_within_a_data_module_are_its_own():
    for where, source in SOURCES.items():
        if not within(where, ["data", "inference"]):  # there, a raster is a data set
            nodes = ast.walk(ast.parse(source))
            assert not [n for n in nodes if isinstance(n, ast.Attribute) and n.attr == "dataset"]


def test_the_rule_names_every_room_from_below():
    assert set(RULE) == {module.partition(".")[0] for module in SOURCES}
    rooms = {module.split(".")[1] for module in SOURCES if module.startswith("inference.")}
    assert set(INFERENCE) == rooms
    for rule in (RULE, INFERENCE):
        below = set()
        for room, others in rule.items():
            assert others <= below, f"{room} stands below what it may import"
            below.add(room)
    assert set(LIBRARIES) == {
        package for one in ALL if (package := one.what.partition(".")[0]) in LIBRARIES
    }


def test_the_drawing_in_the_documents_is_the_rule():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    drawing = text.partition("flowchart TD")[2].partition("```")[0]
    arrows = {}
    for line in re.sub(r"\[.*?\]", "", drawing).splitlines():
        sources, _, targets = (side.strip() for side in line.partition("-->"))
        for source in sources.split(" & ") if targets else ():
            arrows.setdefault(source, set()).update(targets.split(" & "))

    def led_to(room):
        direct = arrows.get(room, set())
        return direct.union(*map(led_to, direct))

    for room in RULE.keys() - {"errors", "__init__", "__main__"}:
        assert led_to(room) == RULE[room] - {"errors"}, room


@pytest.mark.parametrize("later", [False, True], ids=["at import", "ever"])
def test_no_module_imports_itself_by_way_of_others(later):
    graph = {module: set() for module in SOURCES}
    for one in ALL:
        package, _, what = one.what.partition(".")
        if package == "nirgan" and what and later >= one.later:
            graph[one.where].add(what)
    TopologicalSorter(graph).prepare()  # a CycleError names the circle


def reached(rooms, later):
    """All modules and libraries that importing rooms or modules comes to."""
    found, ahead = set(), [module for module in SOURCES if within(module, rooms)]
    while ahead:
        module = ahead.pop()
        for one in ALL:
            if one.where == module and later >= one.later and one.what not in found:
                found.add(one.what)
                ahead.append(one.what.removeprefix("nirgan."))
    return found


def test_colorizing_needs_neither_lightning_nor_tasks():
    packages = {what.partition(".")[0] for what in reached(["inference", "networks"], later=True)}
    assert "torch" in packages
    assert not packages & {"lightning", "wandb", "jsonargparse", "matplotlib", "optuna"}


def test_help_needs_the_standard_library_alone():
    own = {what for what in reached(["cli.main"], later=False) if not what.startswith("nirgan")}
    assert {what.partition(".")[0] for what in own} <= set(sys.stdlib_module_names)


def test_weights_and_biases_is_imported_where_it_is_used_alone():
    found = [one for one in ALL if one.what.partition(".")[0] == "wandb"]
    assert found
    assert all(one.later for one in found)


EXTRAS = {"av", "gradio", "huggingface_hub", "matplotlib", "onnxruntime", "optuna", "rasterio"}


def test_looking_for_a_class_by_its_name_needs_no_extra():
    """A package whose classes are found by name imports all of its modules for that."""
    looked_through = {"data"} | {package.removeprefix("nirgan.") for package in SHORT_NAME_PACKAGES}
    packages = {module.rpartition(".")[0] for module in SOURCES}  # of those within, no module
    modules = {m for m in SOURCES if m.rpartition(".")[0] in looked_through} - packages
    assert {"data.datamodule", "data.sources.rgbn", "networks.generators.triplet"} <= modules
    for module in modules:
        found = {what.partition(".")[0] for what in reached([module], later=False)}
        assert not found & EXTRAS, module


PLANTED = {
    "networks.layers": "import lightning",
    "networks.spreading": "from pathlib import Path",
    "metrics.functional": "from nirgan.networks import layers",
    "losses.ssim": "from nirgan.metrics.functional import angular_error",
    "data.images": "if TYPE_CHECKING:\n    from nirgan.callbacks.best_checkpoint import Best",
    "inference.tiling": "def late():\n    from nirgan.tasks import base",
    "inference.models.instantiate": "from nirgan.inference.load import load",
    "inference.images.files": "import nirgan.inference.video.colorize",
    "callbacks.latest_checkpoint": "class Late:\n    def late(self):\n        import wandb",
    "sweeps.study": "try:\n    import pandas\nexcept ImportError:\n    pass",
    "utils.paths": "from nirgan.cli.main import main",
    "utils.rect": "from nirgan import Colorizer",
    "tasks.base": "def late():\n    return nirgan.load",
}


@pytest.mark.parametrize(
    "source",
    [
        "trainer._signal_connector",
        "self.trainer.fit_loop.total_batch_idx",
        "getattr(action, '_name_parser_map', {})",
        "from lightning.pytorch.loops.progress import _BatchProgress",
        "import jsonargparse\njsonargparse._core.open = None",
    ],
)
def test_what_is_private_is_found(source):
    assert [*private(source)]
    assert not [*private("self._own, cls._own, super()._own, one.__dict__")]


def test_what_is_private_is_found_in_what_is_derived_too():
    class Logger(CSVLogger):
        def version(self):
            return self._version

    assert inherited(Logger) == {"_version"}


@pytest.mark.parametrize("where", PLANTED)
def test_what_breaks_the_rule_is_found(where):
    assert where in SOURCES
    assert all(broken(one) for one in imports(where, PLANTED[where]))
    assert imports(where, PLANTED[where])
