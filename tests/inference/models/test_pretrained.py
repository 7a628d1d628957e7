import json
import re
import struct
import zipfile
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from safetensors.torch import save_file

from nirgan.errors import NirganError
from nirgan.inference.load import load
from nirgan.inference.models.pretrained import read_model, write_model
from nirgan.networks.generators.compact import Compact
from nirgan.networks.generators.flat import Flat
from nirgan.networks.generators.welsh import Welsh
from nirgan.networks.virtual_batch_norm import VirtualBatchNormalized
from nirgan.utils.safe_loading import load_checkpoint

COMPACT = {
    "class_path": "nirgan.networks.generators.compact.Compact",
    "init_args": {"widths": [4, 6]},
}


def config(generator=None, **more):
    return {"format": 1, "name": "tiny", "generator": generator or COMPACT, **more}


def trained():
    """One whose weights and statistics are not those that it begins with."""
    torch.manual_seed(1)
    network = Compact([4, 6])
    for _ in range(3):
        network(torch.rand(2, 3, 16, 16))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network.eval()


def picture():
    return torch.rand(1, 3, 21, 30, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def folder(tmp_path):
    write_model(tmp_path / "model", trained(), config(measured={"angle": 3.5}), "# A card\n")
    return tmp_path / "model"


def checkpoint(path, network, described, **more):
    """As Lightning writes it."""
    state = {f"generator.{key}": value for key, value in network.state_dict().items()}
    kept = {"state_dict": state, "hyper_parameters": {"generator": described}, "epoch": 3}
    torch.save({**kept, "global_step": 7, **more}, path)
    return path


def refused(path):
    with pytest.raises(NirganError) as error:
        read_model(path)
    assert len(str(error.value)) < 400 + 2 * len(str(path))
    assert str(path) in str(error.value) or str(path.parent) in str(error.value)
    return str(error.value)


@torch.no_grad()
def test_a_folder_gives_back_what_was_written(folder):
    assert sorted(file.name for file in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
    ]
    read = read_model(folder)
    assert torch.equal(read.generator(picture()), trained()(picture()))
    assert not read.generator.training
    assert not any(p.requires_grad for p in read.generator.parameters())
    assert (read.name, read.config["measured"]) == ("tiny", {"angle": 3.5})
    assert json.loads((folder / "config.json").read_text())["format"] == 1
    import hashlib

    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert read.digest == digest[:8]


@torch.no_grad()
def test_the_weights_alone_are_enough_and_a_configuration_beside_them_counts(folder):
    alone = (folder / "model.safetensors").rename(folder.parent / "mine.safetensors")
    read = read_model(alone)
    assert torch.equal(read.generator(picture()), trained()(picture()))
    bare = folder / "model.safetensors"
    save_file({k: v.contiguous() for k, v in trained().state_dict().items()}, bare)
    assert torch.equal(read_model(bare).generator(picture()), trained()(picture()))
    (folder / "config.json").write_text(json.dumps(config(name="edited")))
    alone.rename(bare)
    assert read_model(folder).name == "edited"
    (folder / "config.json").unlink()
    assert read_model(folder).name == "tiny"


@torch.no_grad()
def test_float16_is_half_the_size_and_reads_as_float32(tmp_path):
    network = Compact([16, 24])
    network.down[0][0][1].running_var.fill_(1e6)  # more than float16 holds
    described = config({**COMPACT, "init_args": {"widths": [16, 24]}})
    sizes = []
    for half in (False, True):
        write_model(tmp_path / str(half), network.eval(), described, None, half)
        sizes.append((tmp_path / str(half) / "model.safetensors").stat().st_size)
        read = read_model(tmp_path / str(half)).generator
        assert {p.dtype for p in read.parameters()} == {torch.float32}
        assert torch.allclose(read(picture()), network(picture()), atol=2e-3)
    assert sizes[1] < 0.65 * sizes[0]


def test_a_weight_that_float16_does_not_hold_stays(tmp_path):
    network = trained()
    with torch.no_grad():
        network.last.weight[0, 0, 0, 0] = 1e6
    write_model(tmp_path / "m", network, config(), None, half=True)
    assert read_model(tmp_path / "m").generator.last.weight[0, 0, 0, 0] == 1e6


@torch.no_grad()
def test_what_networks_keep_beside_weights_comes_back(tmp_path):
    welsh = Welsh(samples=9)
    for _ in range(2):
        welsh.update(torch.rand(1, 1, 16, 16) * 2 - 1, torch.rand(1, 3, 16, 16) * 2 - 1)
    described = {
        "class_path": "nirgan.networks.generators.welsh.Welsh",
        "init_args": {"samples": 9},
    }
    write_model(tmp_path / "welsh", welsh, config(described), None)
    assert torch.equal(read_model(tmp_path / "welsh").generator(picture()), welsh(picture()))
    (tmp_path / "welsh/config.json").write_text(
        json.dumps(config(described, state={"examples._extra_state": {"samples": 10}}))
    )
    assert "made with 10" in refused(tmp_path / "welsh")

    flat = {"widths": [4, 4], "kernels": [3, 3]}
    virtual = VirtualBatchNormalized(Flat(**flat))
    virtual(torch.rand(4, 3, 16, 16))
    virtual.eval()
    inner = {"class_path": "nirgan.networks.generators.flat.Flat", "init_args": flat}
    outer = {
        "class_path": "nirgan.networks.virtual_batch_norm.VirtualBatchNormalized",
        "init_args": {"network": inner},
    }
    write_model(tmp_path / "virtual", virtual, config(outer), None)
    assert torch.equal(read_model(tmp_path / "virtual").generator(picture()), virtual(picture()))


def test_of_two_generators_of_a_checkpoint_of_fit_the_one_that_makes_color(pair_folder, tmp_path):
    from test_experiments import SYSTEMS, tiny_data

    from nirgan.cli.main import main

    options = [f"--model={ROOT}/conf/model/cyclegan.yaml", "--name=mine", *SYSTEMS["cyclegan"]]
    assert main(["fit", *options, *tiny_data(pair_folder, tmp_path), "--trainer.logger=true"]) == 0
    best = tmp_path / "mine/version_0/checkpoints/best.ckpt"
    read = read_model(best)
    assert (read.name, read.config["training"]["epoch"]) == ("mine", 0)
    state = torch.load(best, weights_only=True)["state_dict"]
    own = read.generator.state_dict()
    assert own
    assert all(torch.equal(own[key], state[f"generator.{key}"]) for key in own)


def test_a_checkpoint_goes_into_a_folder_and_back(tmp_path):
    file = checkpoint(tmp_path / "mine.ckpt", trained(), COMPACT)
    read = read_model(file)
    assert (read.name, read.config["training"]) == ("mine", {"epoch": 3, "global_step": 7})
    write_model(tmp_path / "folder", read.generator, read.config, None)
    again = read_model(tmp_path / "folder")
    assert torch.equal(again.generator(picture()), trained()(picture()))
    assert again.config["training"] == {"epoch": 3, "global_step": 7}


def test_of_a_checkpoint_only_numbers_and_words_are_kept(tmp_path):
    file = checkpoint(tmp_path / "mine.ckpt", trained(), COMPACT)
    odd = {"epoch": torch.tensor(3), "PatchDataModule": {"nir_scale": torch.ones(3)}}
    torch.save(torch.load(file, weights_only=True) | odd, file)
    config = read_model(file).config
    assert (config["training"], "scale" in config) == ({"global_step": 7}, False)


def test_a_name_that_torch_cannot_open_is_said_to_be_one():
    with pytest.raises(NirganError, match=r"mod\\udce8le.ckpt: a name that is not UTF-8; rename"):
        load_checkpoint(Path("mod\udce8le.ckpt"))


def test_of_a_runs_folder_the_best_checkpoint_is_read(tmp_path):
    run = tmp_path / "mine/version_0"
    (run / "checkpoints").mkdir(parents=True)
    with pytest.raises(NirganError, match="no model.safetensors in this folder; expected"):
        read_model(run)
    checkpoint(run / "checkpoints/best.ckpt", trained(), COMPACT)
    assert read_model(run).name == "mine"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/runs/mine/version_0/checkpoints/best.ckpt", "mine"),
        ("/mine/version_0/checkpoints/best.ckpt", "mine"),
        ("/version_0/checkpoints/best.ckpt", "best"),
        ("/checkpoints/best.ckpt", "best"),
        ("/mine/best.ckpt", "best"),
    ],
)
def test_a_checkpoint_has_the_name_of_its_run_if_it_lies_in_one(place, name, tmp_path, monkeypatch):
    file = checkpoint(tmp_path / "best.ckpt", trained(), COMPACT)
    monkeypatch.setattr(Path, "absolute", lambda file: Path(place))
    assert read_model(file).name == name


def test_nothing_is_written_where_writing_fails(folder, monkeypatch):
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nirgan.inference.models.pretrained.save_file", full)
    for where in (folder, folder.parent / "new"):
        with pytest.raises(NirganError, match="No space left"):
            write_model(where, Compact([4, 6]), config(name="other"), "other")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert not list((folder.parent / "new").iterdir())


@pytest.mark.parametrize(
    "path",
    [
        "nirgan.tasks.supervised.SupervisedTask",
        "nirgan.networks.generators.welsh.torch",
        "nirgan.networks.nothing.Here",
        "nirgan.networks",
        None,
        ["os.system"],
    ],
)
def test_only_networks_are_made(path, folder):
    (folder / "config.json").write_text(json.dumps(config({"class_path": path})))
    assert "none of the networks of nirgan.networks and torch.nn" in refused(folder)


def of_class(path=COMPACT["class_path"], **arguments):
    return json.dumps(config({"class_path": path, "init_args": arguments}))


CONFIGS = {
    "no JSON": ("{", "not JSON"),
    "deep": ("[" * 100_000, "not JSON"),
    "binary": ("\udcff", "not JSON"),
    "a list": ("[]", "expected format, name and generator"),
    "no generator": ('{"format": 1, "name": "x"}', "expected format, name and generator"),
    "a newer format": (json.dumps(config() | {"format": 2}), "a newer nirgan may read it"),
    "generator of a word": (json.dumps(config("Compact")), "got 'Compact'"),
    "no class": (json.dumps(config({"init_args": {}})), "expected a generator with a class_path"),
    "another network": (
        of_class("nirgan.networks.generators.unet.UNet", depth=3),
        "'down.0.0.weight' is not there",
    ),
    "other widths": (of_class(widths=[4, 7]), "is 6 x 4 x 3 x 3, expected 7 x 4 x 3 x 3"),
    "more than a machine": (of_class(widths=[10**6, 10**6]), "expected 1000000 x 4 x 3 x 3"),
    "less than there is": (of_class("torch.nn.Identity"), "belong to no layer"),
    "wrong argument": (of_class(breadth=3), "unexpected keyword argument 'breadth'"),
    "arguments of a word": (
        json.dumps(config({**COMPACT, "init_args": "wide"})),
        "init_args of Compact are no mapping",
    ),
    "state": (
        json.dumps(config(state={"down.0.0.1.running_mean": "zero"})),
        "weights of another network (",
    ),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_wrong_configuration_is_one_line(name, folder):
    text, words = CONFIGS[name]
    (folder / "config.json").write_text(text, errors="surrogateescape")
    assert words in refused(folder)


def test_weights_of_a_type_that_torch_lacks_are_one_line(folder):
    tensor = {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [0, 3]}
    header = json.dumps({"last.bias": tensor}).encode()
    content = struct.pack("<Q", len(header)) + header + bytes(3)
    (folder / "model.safetensors").write_bytes(content)
    assert "no safetensors file, or a damaged one" in refused(folder)


def test_weights_cut_short_anywhere_are_one_line(folder, tmp_path):
    checkpoint(tmp_path / "a.ckpt", trained(), COMPACT)
    for file in (folder / "model.safetensors", tmp_path / "a.ckpt"):
        whole = file.read_bytes()
        for end in range(0, len(whole), len(whole) // 19):
            file.write_bytes(whole[:end])
            refused(file)


def test_weights_that_are_not_finite_are_refused(folder):
    network = trained()
    network.last.bias.data[0] = float("nan")
    write_model(folder, network, config(), None)
    assert "not finite" in refused(folder)


@pytest.mark.parametrize("key", ["last.weight", "down.0.0.1.running_var"])
@pytest.mark.parametrize("kind", [torch.bool, torch.int8, torch.complex64])
def test_weights_that_are_no_real_numbers_are_refused(key, kind, folder, tmp_path):
    state = trained().state_dict()
    state[key] = state[key].to(kind)
    save_file(state, folder / "model.safetensors")
    said = f"{key!r} is of type {kind}, expected floats".replace("torch.", "")
    assert said in refused(folder)
    state = {f"generator.{name}": value for name, value in state.items()}
    assert said in refused(checkpoint(tmp_path / "a.ckpt", trained(), COMPACT, state_dict=state))


def test_a_pickle_is_refused_and_runs_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    torch.save({"state_dict": {}, "hyper_parameters": Evil()}, tmp_path / "new.ckpt")
    torch.save(Evil(), tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    torch.save(trained(), tmp_path / "module.ckpt")
    assert "unpickling could run any code, so it is refused" in refused(tmp_path / "new.ckpt")
    assert "Compact" in refused(tmp_path / "module.ckpt")
    assert "a bare pickle" in refused(tmp_path / "old.ckpt")
    assert not (tmp_path / "ran").exists()


def test_archives_are_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../outside/data.pkl", b"0" * 1_000_000)
    assert "compressed" in refused(tmp_path / "bomb.ckpt")
    assert [file.name for file in tmp_path.iterdir()] == ["bomb.ckpt"]


def test_what_is_no_checkpoint_of_fit_is_one_line(tmp_path):
    for number, kept in enumerate(({}, [], {"hyper_parameters": 3}, {"state_dict": {}}, 7)):
        torch.save(kept, tmp_path / f"{number}.ckpt")
        assert "no generator in it" in refused(tmp_path / f"{number}.ckpt")
    vast = {"generator.last.bias": torch.zeros(1).expand(10**12)}
    file = checkpoint(tmp_path / "vast.ckpt", trained(), COMPACT, state_dict=vast)
    assert "larger than the file" in refused(file)
    sparse = {"generator.last.bias": torch.eye(3).to_sparse()}
    file = checkpoint(tmp_path / "sparse.ckpt", trained(), COMPACT, state_dict=sparse)
    assert "not a plain tensor" in refused(file)


def test_what_is_no_model_is_one_line(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert "expected a folder" in refused(tmp_path / "missing")
    assert "expected a folder" in refused(tmp_path / "empty")
    assert "expected .safetensors" in refused(tmp_path / "model.bin")


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        ("no-such-model", {}, "no such model"),
        ("default", {"device": "cuda:77"}, "--device cuda:77"),
        ("default", {"device": "toaster"}, "--device toaster"),
        ("default", {"tile": -1}, "--tile -1"),
        ("~/no-such.ckpt", {}, re.escape(str(Path.home() / "no-such.ckpt"))),
    ],
)
def test_what_cannot_be_loaded_is_one_line(model, options, message):
    with pytest.raises(NirganError, match=message):
        load(model, **options)
