"""The same kind comes back."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from nirgan.errors import NirganError
from nirgan.inference.colorizer import Colorizer


class Tint(nn.Module):
    """Red as it is, green half, blue black: in [0, 1]."""

    def forward(self, triplet):
        unit = (triplet + 1) / 2
        factors = unit.new_tensor([1.0, 0.5, 0.0]).view(3, 1, 1)
        return unit * factors * 2 - 1


COLORIZER = Colorizer(Tint(), "tint", device="cpu")
BYTES = np.arange(0, 240, dtype=np.uint8).reshape(12, 20)


def test_the_network_of_the_caller_stays_as_it_was():
    network = nn.Conv2d(3, 3, 1)
    strides = network.weight.stride()
    colorizer = Colorizer(network, device="cpu")
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert network.weight.stride() == strides
    before = colorizer(BYTES)
    nn.init.zeros_(network.weight)  # training goes on
    assert np.array_equal(colorizer(BYTES), before)


def test_outputs_of_a_list_of_paths(tmp_path):
    paths = [tmp_path / f"{name}.png" for name in "ab"]
    for path in paths:
        Image.fromarray(BYTES).save(path)
    in_folder = [tmp_path / "out" / path.name for path in paths]
    assert COLORIZER(tuple(paths), output=tmp_path / "out") == in_folder
    beside = [tmp_path / f"{name}_color.png" for name in "ab"]
    assert COLORIZER([str(path) for path in paths]) == beside
    for file in (*in_folder, *beside):
        assert np.asarray(Image.open(file)).shape == (12, 20, 3)


REFUSED = {
    "two pictures would be one file in out": (["a.png", "b/a.png"], "out"),
    "out is a folder for paths, not for arrays": ([BYTES, "a.png"], "out"),
    "out.png is for paths; a ndarray comes back as one": (BYTES, "out.png"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_an_output_that_does_not_go_with_the_pictures_is_refused(reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NirganError, match=reason):
        COLORIZER(REFUSED[reason][0], output=REFUSED[reason][1])
    assert not list(tmp_path.iterdir())


def tinted(band):
    return np.stack([band, np.round(band / 2), band * 0], -1)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((12, 20), np.uint8),
        ((12, 20, 1), np.uint16),
        ((12, 20, 3), np.float32),
        ((1, 12, 20, 1), np.float64),
        ((1, 12, 20, 3), np.float16),
    ],
)
def test_arrays(shape, kind):
    whole = np.iinfo(kind).max // 255 if np.issubdtype(kind, np.integer) else 1 / 255
    band = (BYTES * np.float64(whole)).astype(kind)
    image = band if len(shape) == 2 else np.broadcast_to(band[..., None], shape)
    colors = COLORIZER(image)
    assert colors.dtype == kind
    assert colors.shape == (*shape[:2], 3) if len(shape) < 4 else (*shape[:3], 3)
    expected = tinted(band.astype(np.float64))
    if not np.issubdtype(kind, np.integer):
        expected[..., 1] = band / np.float64(2)
    tolerance = {np.uint8: 1, np.uint16: 1, np.float16: 1e-3}.get(kind, 1e-6)
    assert np.abs(colors.reshape(12, 20, 3) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((12, 20), torch.uint8),
        ((1, 12, 20), torch.float32),
        ((3, 12, 20), torch.bfloat16),
        ((2, 1, 12, 20), torch.uint8),
        ((2, 3, 12, 20), torch.float32),
    ],
)
def test_tensors(shape, kind):
    scale = 1 if kind == torch.uint8 else 1 / 255
    image = (torch.from_numpy(BYTES) * scale).to(kind).expand(shape).contiguous()
    colors = COLORIZER(image)
    assert colors.dtype == kind
    assert colors.shape == ((3, 12, 20) if len(shape) < 4 else (2, 3, 12, 20))
    red, green, blue = colors.reshape(-1, 3, 12, 20)[0].double()
    assert (red - image.reshape(-1, 12, 20)[0].double()).abs().max() <= 0.005
    assert (green - red / 2).abs().max() <= (1 if kind == torch.uint8 else 0.005)
    assert blue.abs().max() == 0


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "F", "RGB"])
def test_pil_images(mode):
    images = {
        "1": Image.fromarray(BYTES > 100),
        "L": Image.fromarray(BYTES),
        "I;16": Image.fromarray(BYTES.astype(np.uint16) * 257),
        "F": Image.fromarray(BYTES.astype(np.float32) / 255),
        "RGB": Image.fromarray(np.stack([BYTES] * 3, -1)),
    }
    assert images[mode].mode == mode
    colors = COLORIZER(images[mode])
    assert colors.mode == "RGB"
    band = (BYTES > 100) * 255 if mode == "1" else BYTES
    assert np.abs(np.asarray(colors).astype(float) - tinted(band.astype(float))).max() <= 1


def test_alpha_is_kept():
    alpha = np.full_like(BYTES, 77)
    colors = np.asarray(COLORIZER(Image.fromarray(np.dstack([BYTES] * 3 + [alpha]))))
    assert (colors[..., 3] == 77).all()
    assert np.array_equal(colors[..., 0], BYTES)


def test_lists_and_scales():
    first, second = COLORIZER([BYTES, torch.zeros(5, 7)])
    assert first.shape == (12, 20, 3)
    assert second.shape == (3, 5, 7)
    twice = COLORIZER(BYTES, scale="0,127.5")
    assert np.abs(twice[..., 0] - np.minimum(BYTES * 2.0, 255)).max() <= 1


def test_a_path_becomes_the_path_of_a_new_file(tmp_path):
    alpha = np.full_like(BYTES, 77)
    Image.fromarray(np.dstack([BYTES, alpha])).save(tmp_path / "a.png")
    made = COLORIZER(tmp_path / "a.png")
    assert made == tmp_path / "a_color.png"
    assert (np.asarray(Image.open(made))[..., 3] == 77).all()
    assert np.array_equal(np.asarray(Image.open(made))[..., 0], BYTES)
    with pytest.raises(NirganError, match="is there already"):
        COLORIZER(str(tmp_path / "a.png"))
    other = COLORIZER(tmp_path / "a.png", output=tmp_path / "deep/b.tif", scale="-255,255")
    assert np.abs(np.asarray(Image.open(other))[..., 0] - (BYTES + 255.0) / 2).max() <= 1
    in_folder = COLORIZER(tmp_path / "a.png", output=tmp_path / "deep")
    assert in_folder == tmp_path / "deep/a.png"
    assert in_folder.is_file()
    Image.fromarray(BYTES.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    jpeg = COLORIZER(tmp_path / "deep.png", output=tmp_path / "deep.jpg")
    assert np.abs(np.asarray(Image.open(jpeg))[..., 0].astype(float) - BYTES).mean() < 9


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 5, 2), np.uint8), r"shape \(4, 5, 2\)"),
        (np.zeros((0, 5), np.uint8), "no pixels"),
        (np.zeros((4, 5), np.int64), "type int64"),
        (np.full((4, 5), np.nan, np.float32), "20 values are not finite"),
        (torch.zeros(2, 4, 5), r"shape \(2, 4, 5\)"),
        (Image.new("CMYK", (4, 5)), "mode CMYK"),
        (7, "a int is no picture"),
    ],
)
def test_what_is_no_picture_is_refused(image, message):
    with pytest.raises(NirganError, match=message):
        COLORIZER(image)


def test_a_pil_image_is_turned_upright_and_what_it_hides_is_filled():
    exif = Image.Exif()
    exif[274] = 6  # a quarter turn
    buffer = BytesIO()
    Image.fromarray(BYTES).save(buffer, "PNG", exif=exif)
    made = COLORIZER(Image.open(buffer))
    assert np.array_equal(np.asarray(made)[..., 0], np.rot90(BYTES, -1))
    alpha = np.zeros_like(BYTES)
    alpha[:, 5:] = 255
    made = np.asarray(COLORIZER(Image.fromarray(np.dstack([BYTES, alpha]))))
    assert np.array_equal(made[:, 5:, 0], BYTES[:, 5:])
    assert (made[:, :5, 0] == BYTES[:, 5:6]).all()
    assert np.array_equal(made[..., 3], alpha)


def test_each_picture_of_an_array_has_percentiles_of_its_own():
    bright, dark = BYTES, BYTES // 4
    both = COLORIZER(np.stack([bright, dark])[..., None], scale="percentile")
    for one, alone in zip(both, (bright, dark), strict=True):
        assert np.array_equal(one, COLORIZER(alone, scale="percentile"))


def test_arrays_of_files_of_other_machines():
    assert np.array_equal(
        COLORIZER(BYTES.astype(">u2") * 200), COLORIZER(BYTES.astype(np.uint16) * 200)
    )


def test_what_is_masked_is_not_taken_for_data():
    with pytest.raises(NirganError, match="masked array"):
        COLORIZER(np.ma.masked_array(BYTES, BYTES < 9))


def test_a_scale_that_is_no_text_is_refused():
    with pytest.raises(NirganError, match='expected text, as "0,4095"'):
        COLORIZER(BYTES, scale=(0, 4095))


@pytest.mark.parametrize("options", [{"precision": "fp8"}, {"tile": 10.5}])
def test_an_option_that_cannot_be_is_refused(options):
    with pytest.raises(NirganError, match="expected "):
        Colorizer(Tint(), device="cpu", **options)
