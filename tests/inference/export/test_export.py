import json
import re
import shutil
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from nirgan.cli.export import MODEL_FILES, SUFFIX
from nirgan.cli.main import main
from nirgan.data.scaling import Limits
from nirgan.errors import NirganError
from nirgan.inference.colorizer import Colorizer
from nirgan.inference.export import onnx_network, program
from nirgan.inference.export.onnx_network import OnnxNetwork
from nirgan.inference.export.program import Program
from nirgan.inference.load import load
from nirgan.inference.models.pretrained import read_model, write_model
from nirgan.inference.tiling import ReceptiveField
from nirgan.networks.generators.compact import Compact
from nirgan.networks.generators.resnet import ResNet
from nirgan.networks.generators.unet import UNet

pytestmark = pytest.mark.xdist_group("export")  # exporting takes seconds: once

COMPACT = {
    "class_path": "nirgan.networks.generators.compact.Compact",
    "init_args": {"widths": [4, 6]},
}
SIZES = [(1, 1, 1), (2, 17, 33), (3, 64, 64), (1, 170, 256)]


def strong(network):
    """Colors that are far from grey."""
    torch.manual_seed(3)
    network(torch.rand(2, 3, 64, 64))
    with torch.no_grad():
        network.last.weight.mul_(20)
    return network.eval()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    config = {"name": "tiny", "generator": COMPACT, "measured": {"angular error": 3.5}}
    write_model(folder, strong(Compact([4, 6])), config, None)
    return folder


@pytest.fixture(scope="module")
def onnx_file(model):
    """Made through the verb, for 12 bits, with a picture of one's own to look at."""
    file, picture = model.parent / "tiny.onnx", model.parent / "nir.png"
    pixels = np.random.default_rng(0).integers(0, 4096, (50, 61), np.uint16)
    Image.fromarray(pixels).save(picture)
    options = ["--format=onnx", f"--output={file}", "--scale=0,4095", "--check", str(picture)]
    assert main(["export", str(model), *options]) == 0
    return file


@pytest.fixture(scope="module")
def torch_file(model):
    file = model.parent / "tiny.pt2"
    options = ["--format=torch", f"--output={file}", "--scale=-10,300"]
    assert main(["export", str(model), *options]) == 0
    return file


def camera(batch, height, width, high=4095):
    torch.manual_seed(0)
    nir = torch.rand(batch, 1, height, width) * 1.2 * high - 0.1 * high
    nir[0, 0, 0, 0] = torch.nan
    return nir


def colors(model, nir, limits):
    return load(model, device="cpu").colorize_bands(limits.to_unit(nir[:, 0].numpy()))


@pytest.mark.parametrize("size", SIZES)
def test_onnx_takes_camera_values_of_any_size(size, model, onnx_file):
    session = onnxruntime.InferenceSession(onnx_file)
    assert [(i.name, i.type) for i in session.get_inputs()] == [("nir", "tensor(float)")]
    nir = camera(*size)
    (rgb,) = session.run(["rgb"], {"nir": nir.numpy()})
    expected = colors(model, nir, Limits(0, 4095))
    assert rgb.shape == expected.shape == (size[0], 3, *size[1:])
    assert np.abs(rgb - expected.numpy()).max() < 1e-5
    assert rgb.min() >= 0
    assert rgb.max() <= 1


def test_onnx_says_what_it_is(model, onnx_file):
    metadata = onnxruntime.InferenceSession(onnx_file).get_modelmeta().custom_metadata_map
    assert (metadata["name"], metadata["low"], metadata["high"]) == ("tiny", "0.0", "4095.0")
    assert metadata["digest"] == read_model(model).digest
    assert metadata["note"].startswith("Synthetic colors, made from near-infrared")
    assert (metadata["stride"], metadata["radius"]) == (
        "4",
        str(load(model).receptive_field.radius),
    )


def test_onnx_colorizes_like_the_model_that_it_was_made_of(model, onnx_file):
    own = load(model, device="cpu", tile=32)
    other = load(onnx_file, device="cpu", tile=32)
    assert other.name == "tiny"
    assert other.receptive_field == own.receptive_field
    nir = torch.rand(2, 150, 131)
    assert torch.allclose(other.colorize_bands(nir), own.colorize_bands(nir), atol=1e-5)


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"precision": "bf16"}, {"tile": 64}])
def test_onnx_refuses_what_its_runtime_does_not_do(options, onnx_file, monkeypatch):
    monkeypatch.setattr(onnx_network, "ReceptiveField", lambda *_: ReceptiveField(1, None, 9.0))
    with pytest.raises(NirganError, match=rf"leave out --{next(iter(options))}\b[^;]*;"):
        load(onnx_file, **options)


def test_onnx_keeps_to_torchs_threads(onnx_file):
    options = OnnxNetwork(onnx_file).session.get_session_options()
    assert options.intra_op_num_threads == torch.get_num_threads()


def test_a_program_of_torch_needs_torch_alone(model, torch_file):
    metadata = {"nirgan.json": ""}
    loaded = torch.export.load(torch_file, extra_files=metadata).module()
    assert json.loads(metadata["nirgan.json"])["name"] == "tiny"
    for size in SIZES:
        nir = camera(*size, high=300)
        expected = colors(model, nir, Limits(-10, 300))
        with torch.no_grad():
            assert torch.allclose(loaded(nir), expected, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(
    ("cls", "options"), [(UNet, {"width": 4, "depth": 4}), (ResNet, {"width": 4, "blocks": 1})]
)
def test_a_program_gives_what_colorizing_a_whole_picture_gives(cls, options):
    torch.manual_seed(0)
    network = cls(**options).eval()
    for parameter in network.parameters():
        parameter.mul_(3)
    colorizer = Colorizer(network, device="cpu")
    made = Program(colorizer.generator, Limits(0, 1), colorizer.receptive_field.stride)
    for size in ((5, 7), (65, 90)):
        nir = torch.rand(2, *size)
        assert torch.allclose(made(nir[:, None]), colorizer.colorize_bands(nir), atol=1e-5)
    # Tile by tile only where no layer looks at the whole.
    assert colorizer.receptive_field.radius
    radius = "all" if isinstance(network, ResNet) else str(colorizer.receptive_field.radius)
    assert program.metadata_of(colorizer, Limits(0, 1))["radius"] == radius


def test_a_program_that_gives_something_else_is_not_kept(model, onnx_file, monkeypatch, capsys):
    file = model.parent / "wrong.onnx"
    file.write_text("former")

    def of_other_limits(_, part, metadata):
        shutil.copy(onnx_file, part)
        return OnnxNetwork(part).run

    monkeypatch.setattr(program, "to_onnx", of_other_limits)
    options = ["--format=onnx", f"--output={file}", "--overwrite", "--scale=0,4000"]
    assert main(["export", str(model), *options]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "not kept: its colors of a picture of 64x64 are off torch's by " in error
    assert file.read_text() == "former"
    assert not list(model.parent.glob("*.part*"))


def test_nan_is_a_difference(model, monkeypatch):
    def nothing(*_):
        return lambda nir: torch.full((len(nir), 3, *nir.shape[2:]), torch.nan)

    monkeypatch.setattr(program, "to_torch", nothing)
    with pytest.raises(NirganError, match="not kept"):
        program.export_verified(load(model), Limits(0, 1), "torch", model.parent / "nan.pt2", [])


@pytest.mark.parametrize(
    ("dtype", "high", "divisor"), [("uint8", 1, 255), ("uint16", 1, 65535), ("uint16", 4095, 1)]
)
def test_pictures_to_check_are_what_the_program_takes(
    tmp_path, model, monkeypatch, dtype, high, divisor
):
    pixels = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50).astype(dtype)
    Image.fromarray(pixels).save(tmp_path / "nir.png")
    seen = []

    def recorded(made, part, _):
        part.touch()
        return lambda nir: seen.append(nir) or made(nir)

    monkeypatch.setattr(program, "to_torch", recorded)
    given = [tmp_path / "nir.png"]
    program.export_verified(load(model), Limits(0, high), "torch", tmp_path / "a.pt2", given)
    np.testing.assert_allclose(seen[-1][0, 0].numpy(), pixels / divisor, rtol=1e-6)


class Branching(torch.nn.Module):
    """Does one thing or another, as the picture is: no program."""

    def forward(self, triplet):
        return triplet if triplet.mean() > 0 else -triplet


@pytest.mark.parametrize("kind", ["onnx", "torch"])
def test_what_cannot_be_exported_is_one_line(kind, tmp_path, capsys):
    described = {"class_path": f"{__name__}.Branching"}
    write_model(tmp_path / "model", Branching(), {"name": "b", "generator": described}, None)
    file = tmp_path / f"b{SUFFIX[kind]}"
    options = [f"--format={kind}", f"--output={file}", "--trust"]
    assert main(["export", str(tmp_path / "model"), *options]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert "Branching cannot be expressed in " in error
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_safetensors_with_configuration_and_card(model, capsys):
    out = model.parent / "again"
    options = ["--format=safetensors", f"--output={out}"]
    assert main(["export", str(model), *options, "--half"]) == 0
    again, before = read_model(out), read_model(model)
    assert again.config == before.config
    assert again.digest != before.digest
    nir = torch.rand(1, 3, 20, 30)
    assert torch.allclose(again.generator(nir), before.generator(nir), atol=0.01)
    assert "angular error | 3.5" in (out / "README.md").read_text()
    assert {file.name for file in out.iterdir()} == set(MODEL_FILES)
    assert main(["export", str(model), *options]) == 2
    assert "is there already; --overwrite" in capsys.readouterr().err
    assert main(["export", str(model), *options, "--overwrite"]) == 0
    assert torch.equal(read_model(out).generator(nir), before.generator(nir))


MISTAKES = {
    "--format=onnx --output=a.pt2": "expected a name that ends in .onnx",
    "--format=torch --output=a.onnx": "expected a name that ends in .pt2",
    "--format=safetensors --output=nir.png": "a file; safetensors are kept in a folder",
    "--format=onnx --output=folder.onnx --overwrite": "a folder; give a file, NAME.onnx",
    "--format=onnx --output=tiny.onnx": "is there already; --overwrite replaces it",
    "--format=safetensors --output=folder.onnx": "folder.onnx/README.md is there already",
    "--format=onnx --output=new.onnx --half": "--half goes with --format safetensors",
    "--format=safetensors --output=new --scale=0,9": "--scale goes with --format onnx or torch",
    "--format=safetensors --output=new --check a.png": "--check goes with --format onnx or torch",
    "--format=onnx --output=new.onnx --scale=dtype": "say which are black and white: LOW,HIGH",
    "--format=onnx --output=new.onnx --check missing.png": "missing.png: ",
    "--format=jpeg --output=new.onnx": "format: expected one of",
    "--format=onnx": "output",
}


@pytest.mark.parametrize("options", MISTAKES)
def test_a_mistake_is_one_line(options, model, onnx_file, monkeypatch, capsys):
    monkeypatch.chdir(model.parent)
    (model.parent / "folder.onnx").mkdir(exist_ok=True)
    (model.parent / "folder.onnx/README.md").write_text("mine")
    before = sorted(model.parent.iterdir())
    assert main(["export", "tiny", *options.split()]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert MISTAKES[options] in error
    assert sorted(model.parent.iterdir()) == before
    assert (model.parent / "folder.onnx/README.md").read_text() == "mine"


def test_where_onnx_runtime_fails_is_one_line(onnx_file, tmp_path):
    """As of a layer that it lacks for a size, or has no memory for."""
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail

    def fail(*_):
        raise Fail("no\nmemory")

    colorizer = load(onnx_file)
    colorizer.generator.session = SimpleNamespace(run=fail)
    with pytest.raises(NirganError, match=r"64x64: ONNX Runtime cannot colorize it \(no memory\)"):
        colorizer.colorize_bands(torch.rand(1, 30, 40))


def test_an_exported_file_is_not_exported_again(onnx_file, tmp_path, capsys):
    options = ["--format=safetensors", f"--output={tmp_path / 'x'}"]
    assert main(["export", str(onnx_file), *options]) == 2
    assert "exported already" in capsys.readouterr().err


def test_onnx_files_that_cannot_be_used_are_named(onnx_file, tmp_path):
    whole = onnx_file.read_bytes()
    file = tmp_path / "a.onnx"
    (tmp_path / "folder.onnx").mkdir()
    made = [whole[: len(whole) // n] for n in (2, 3, 50)] + [b"", b"\x00" * 99, b"{}", whole[9:]]
    for content in made:
        file.write_bytes(content)
        with pytest.raises(NirganError, match=re.escape(str(file))):
            load(file)
    for name in ("missing.onnx", "folder.onnx"):
        with pytest.raises(NirganError, match="no such file"):
            load(tmp_path / name)


def test_another_programs_onnx_is_refused(tmp_path):
    from onnx import TensorProto, helper, save

    kinds = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 1, "h", "w"]) for n in "xy"]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "g", kinds[:1], kinds[1:]
    )
    version = helper.make_opsetid("", 18)  # the newest is not for every ONNX Runtime
    save(helper.make_model(graph, ir_version=10, opset_imports=[version]), tmp_path / "a.onnx")
    with pytest.raises(NirganError, match="not of `python -m nirgan export`"):
        load(tmp_path / "a.onnx")


@pytest.mark.parametrize("library", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_library_is_one_line(library, model, monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, library, None)
    out = model.parent / "new.onnx"
    assert main(["export", str(model), "--format=onnx", f"--output={out}"]) == 2
    (error,) = capsys.readouterr().err.splitlines()
    assert f"{library} is not installed" in error
    assert "pip install 'nirgan[onnx]'" in error
