"""One rule says of files, arrays and videos which channel is the near-infrared band."""

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av", reason="videos need PyAV: pip install 'nirgan[video]'")

import tifffile  # noqa: E402
import torch  # noqa: E402
from clips import clip  # noqa: E402
from videos import Tinted, colorized  # noqa: E402

from nirgan.data.channels import distance_from_grey  # noqa: E402
from nirgan.data.images import read_nir  # noqa: E402
from nirgan.data.sources.synthetic import Synthetic  # noqa: E402
from nirgan.errors import NirganError  # noqa: E402
from nirgan.inference.conversions import convert  # noqa: E402
from nirgan.inference.images.files import read  # noqa: E402

ROWS, COLUMNS = np.mgrid[:96, :128]
BAND = np.round((np.sin(COLUMNS / 9) + np.cos(ROWS / 7)) * 45 + 120).astype(np.uint8)
EQUAL = np.dstack([BAND] * 3)
SLOW = np.round(40 * np.sin(COLUMNS / 30 + ROWS / 50)).astype(int)


def band_of(image, band=None):
    """The band that an array, a tensor or a PIL image is taken for."""
    taken = []
    convert(image, band, lambda bands: taken.extend(bands) or torch.zeros(1, 3, *bands.shape[1:]))
    return taken[0]


def stamped():
    picture = EQUAL.copy()
    picture[-4:, :60] = (255, 160, 0)
    return picture


def cast(*gains):
    """A camera without its filter: its channels see one band, each in its own way."""
    noise = np.random.default_rng(0).normal(0, 1, EQUAL.shape)
    return np.clip(EQUAL * np.array(gains) + noise, 0, 255).astype(np.uint8)


PICTURES = {
    "equal channels": (EQUAL, True),
    "a colored stamp": (stamped(), True),
    "a cast": (cast(1.05, 1, 0.95), True),
    "a cast that is full at the top": (cast(1.35, 1.3, 1.25), True),
    "a color picture": (np.dstack([BAND, BAND[::-1], BAND[:, ::-1]]), False),
    "a dull color picture": (np.clip(EQUAL + SLOW[..., None] // [4, 99, -4], 0, 255), False),
    "a tinted picture": (cast(1.4, 1, 0.6), False),
}


def entrances(folder, picture):
    """What each entrance makes of a picture: its band in [0, 1], within a few levels."""
    picture = picture.astype(np.uint8)
    Image.fromarray(picture).save(folder / "a.png")
    Image.fromarray(picture).save(folder / "a.jpg", quality=92, subsampling=0)
    tifffile.imwrite(folder / "a.tif", picture.astype(np.uint16) * 16, photometric="rgb")
    frame = av.VideoFrame.from_ndarray(picture, "rgb24")

    def of_video(name, pixels, band):
        form = frame.reformat(format=pixels)
        source = clip(folder / name, "ffv1", pixels, frames=1, pictures=lambda _: form)
        colorized(source, colorizer=(seen := Tinted()), target=folder / f"o{name}", band=band)
        return seen.bands[0].numpy()

    return {
        "png": lambda band=None: read(folder / "a.png", band=band).band / 255,
        "jpg": lambda band=None: read(folder / "a.jpg", band=band).band / 255,
        "tif": lambda band=None: read(folder / "a.tif", band=band).band / 4080,
        "pair": lambda: read_nir(folder / "a.png") / 255,
        "array": lambda band=None: band_of(picture, band) / 255,
        "tensor": lambda band=None: band_of(torch.from_numpy(picture).permute(2, 0, 1), band) / 255,
        "pil": lambda band=None: band_of(Image.fromarray(picture), band) / 255,
        "rgb video": lambda band=None: of_video("b.mkv", "bgr0", band),
        "yuv video": lambda band=None: of_video("c.mkv", "yuv420p", band),
        "deep video": lambda band=None: of_video("d.mkv", "yuv444p10le", band),
    }


@pytest.mark.parametrize("case", PICTURES)
def test_every_entrance_says_the_same(tmp_path, case):
    picture, passes = PICTURES[case]
    for name, entrance in entrances(tmp_path, picture).items():
        if not passes:
            with pytest.raises(NirganError, match=r"channels that differ .*--band 1 for red"):
                print(name, entrance().shape)
            continue
        off = np.abs(entrance() * 255 - picture[..., 1])
        assert np.median(off) <= 3, name


@pytest.mark.parametrize("band", [1, 3])
def test_a_channel_can_be_chosen_of_anything(tmp_path, band):
    picture = PICTURES["a color picture"][0]
    every = entrances(tmp_path, picture)
    del every["pair"]
    for name, entrance in every.items():
        off = np.abs(entrance(band) * 255 - picture[..., band - 1])
        assert off.mean() <= (12 if name == "yuv video" else 3), name
    for entrance in every.values():
        with pytest.raises(NirganError, match=r"no band 4, of the 3 that there are"):
            entrance(4)


def test_alpha_of_a_pil_image_can_be_the_band():
    water = BAND // 2
    image = Image.fromarray(np.dstack([EQUAL // 3, water]))  # as NAIP's
    assert np.array_equal(band_of(image, 4), water)


def test_a_grey_video_has_one_channel(tmp_path):
    grey = clip(tmp_path / "grey.mkv", "ffv1", "gray", frames=1, pictures=lambda _: BAND, full=True)
    colorized(grey, colorizer=(seen := Tinted()), band=1)
    assert np.abs(seen.bands[0].numpy() * 255 - BAND).max() < 1e-3
    with pytest.raises(NirganError, match=r"grey.*: no band 2, of the 1 that there are"):
        colorized(grey, band=2)


def test_a_person_is_told_where_channels_differ(tmp_path):
    Image.fromarray(PICTURES["a cast"][0]).save(tmp_path / "cast.png")
    Image.fromarray(EQUAL).save(tmp_path / "equal.jpg")
    assert "channels that differ by 4" in read(tmp_path / "cast.png").remark
    assert read(tmp_path / "cast.png", band=1).remark == ""
    assert read(tmp_path / "equal.jpg").remark == ""


def test_a_dim_picture_in_color_is_one():
    color = Synthetic(count=1, size=(96, 128), categories=["garden"]).pairs()[0].load()[1]
    grey = color.mean(2, keepdims=True)
    pale = (grey + 0.3 * (color - grey)) / color.max()
    for white in (255, 128):
        with pytest.raises(NirganError, match="in color"):
            distance_from_grey((pale * white).round().astype(np.uint8), "a picture")
