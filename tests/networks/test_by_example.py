"""What takes colors from pictures that it was shown."""

import pytest
import torch
from scipy.fft import dctn

from nirgan.errors import NirganError
from nirgan.networks.examples import Examples, jittered, statistics
from nirgan.networks.generators.irony import Irony, _nearest, segment_colors, separating_directions
from nirgan.networks.generators.welsh import Welsh
from nirgan.utils.color_spaces import rgb_to_lab, rgb_to_opponent

BRICK, SKY = (0.2, -0.4, -0.5), (-0.5, -0.2, 0.4)


def painted(brightness, colors, size=(48, 64), noise=0.0, seed=0):
    """A picture of two halves, left and right: NIR and RGB, with a batch axis."""
    random = torch.Generator().manual_seed(seed)
    nir, rgb = torch.empty(1, 1, *size), torch.empty(1, 3, *size)
    halves = (slice(0, size[1] // 2), slice(size[1] // 2, None))
    for half, level, color in zip(halves, brightness, colors, strict=True):
        nir[..., half] = level
        rgb[..., half] = torch.tensor(color).view(3, 1, 1)
    return nir + noise * torch.randn(nir.shape, generator=random), rgb


def woven(coarse, fine, size=(48, 64)):
    """NIR of one mean and two textures, and their colors."""
    nir, rgb = painted((0, 0), (coarse, fine), size)
    row, column = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    nir += torch.where(column < size[1] // 2, (row // 4 + column // 4) % 2, column % 2) - 0.5
    return nir, rgb


def hue(picture):
    return rgb_to_lab(picture)[:, 1:]


def mean_hues(picture, margin=6):
    """Of the left half and of the right one, away from where they meet."""
    ab, half = hue(picture), picture.shape[-1] // 2
    return ab[..., : half - margin].mean((2, 3)), ab[..., half + margin :].mean((2, 3))


@pytest.mark.parametrize("network", [Welsh(), Irony()])
def test_before_any_picture_grey_is_as_good_as_it_gets(network):
    triplet = torch.full((2, 3, 9, 8), 0.3)
    assert torch.equal(network(triplet), triplet)


@pytest.mark.parametrize("make", [Welsh, Irony])
def test_what_was_shown_is_kept_in_the_state(make):
    network, copy = make(), make()
    for number in range(3):
        network.update(*painted((-0.4, 0.2 * number), (SKY, BRICK), seed=number))
    copy.load_state_dict(network.state_dict())
    assert len(copy.examples) == 3
    triplet = painted((-0.3, 0.2), (SKY, BRICK))[0].expand(-1, 3, -1, -1)
    assert torch.equal(copy(triplet), network(triplet))


@pytest.mark.parametrize("space", ["lalphabeta", "colip"])
def test_welsh_gives_a_picture_of_the_same_materials_their_colors(space):
    network = Welsh(space=space)
    network.update(*painted((-0.6, 0.3), (SKY, BRICK), noise=0.02))
    nir, truth = painted((-0.5, 0.4), (SKY, BRICK), noise=0.02, seed=1)
    out = network(nir.expand(-1, 3, -1, -1))
    for found, true in zip(mean_hues(out), mean_hues(truth), strict=True):
        assert torch.nn.functional.cosine_similarity(found, true) > 0.95
    held = out.abs().amax(1) < 1  # not clipped
    assert held.float().mean() > 0.4
    own = [rgb_to_opponent(x, space)[:, 0][held] for x in (out, nir.expand(-1, 3, -1, -1))]
    assert torch.allclose(*own, atol=0.01)  # its brightness is the target's


def test_welsh_brings_the_references_luminance_to_the_targets():
    network = Welsh()
    shown, lit = (
        [2.11 * x ** (1 / 2.4) - 1.11 for x in linear] for linear in ((0.05, 0.1), (0.2, 0.4))
    )
    network.update(*painted(shown, (SKY, BRICK), noise=0.002))
    # In absolute terms all of this is nearer to the brighter half of the reference.
    nir, _ = painted(lit, (SKY, BRICK), noise=0.002, seed=1)
    left, right = mean_hues(network(nir.expand(-1, 3, -1, -1)))
    assert left[0, 1] < -5 < 5 < right[0, 1]  # blue, and not


def test_welsh_tells_places_of_one_brightness_apart_by_their_roughness():
    nir, rgb = painted((0.0, 0.0), (SKY, BRICK))
    nir[..., :32] = torch.linspace(-0.3, 0.3, 48)[:, None]
    nir[..., 32:] = 0.6 * torch.rand(48, 32, generator=torch.Generator().manual_seed(3)) - 0.3
    network = Welsh()
    network.update(nir, rgb)
    left, right = mean_hues(network(nir.flip(-1).expand(-1, 3, -1, -1)))
    assert right[0, 1] < -5 < 2 < left[0, 1]


def test_the_reference_is_the_one_that_is_as_bright():
    network = Welsh()
    network.update(*painted((-0.9, -0.8), (BRICK, BRICK), noise=0.01))
    network.update(*painted((0.5, 0.6), (SKY, SKY), noise=0.01))
    for level, blue in ((-0.8, False), (0.5, True)):
        nir, _ = painted((level, level + 0.05), (SKY, SKY), noise=0.01, seed=7)
        assert (hue(network(nir.expand(-1, 3, -1, -1)))[:, 1].mean() < 0) == blue


def test_statistics_are_deciles_and_moments():
    luminance = torch.arange(101.0).view(1, 101)[:, torch.randperm(101)]
    expected = [*range(0, 101, 10), 50, luminance.std(correction=0).item()]
    assert statistics(luminance).tolist() == pytest.approx(expected)


def test_samples_lie_one_in_each_cell():
    row, column = jittered(torch.zeros(100, 200), 200, seed=1)
    assert len(row) == 200
    cells = set(zip((row // 10).tolist(), (column // 10).tolist(), strict=True))
    assert len(cells) == 200
    assert not torch.equal(row, jittered(torch.zeros(100, 200), 200, seed=2)[0])
    # Of these seeds, rounding leads beyond the picture.
    for seed, count in ((24238, 200), (11930, 400)):
        row, column = jittered(torch.zeros(680, 1024), count, seed)
        assert row.max() < 680
        assert column.max() < 1024
    tiny = jittered(torch.zeros(3, 5), 200, seed=1)
    assert (tiny[0].max().item(), tiny[1].max().item()) == (2, 4)


def test_an_example_keeps_its_own_pixels():
    examples = Examples(2, 1)
    for level in (0.0, 1.0, 2.0):
        examples.add(torch.full((3, 3), level), torch.full((2, 1), level))
    (mean, deviation), pixels = examples.closest(torch.full((3, 3), 1.2))
    assert (mean.item(), deviation.item(), pixels.unique().tolist()) == (1.0, 0.0, [1.0])


def test_textures_are_described_by_the_cosine_transform():
    nir = torch.rand(1, 1, 9, 9)
    described = Irony(window=5)._dct(nir)
    window = dctn(nir[0, 0, 2:7, 3:8].numpy(), norm="ortho").ravel()
    assert described[0, :, 4, 5].tolist() == pytest.approx(window.tolist(), abs=1e-5)


def test_irony_tells_textures_of_one_brightness_apart():
    network = Irony(segments=2)
    network.update(*woven(SKY, BRICK))
    nir = woven(SKY, BRICK)[0].flip(-1)  # the same textures, on other sides
    left, right = mean_hues(network(nir.expand(-1, 3, -1, -1)))
    assert right[0, 1] < -5 < 2 < left[0, 1]


def test_only_what_is_clear_is_a_scribble():
    network = Irony(segments=2, confidence=0.8)
    network.update(*woven(SKY, BRICK))
    nir, _ = woven(SKY, BRICK)
    colors, vote = network.classify(nir[0], network._dct(nir)[0])
    assert vote.min() < 0.8 < vote[:, :24].min()  # unclear where the two textures meet
    assert vote.max() <= 1 + 1e-5
    blue = rgb_to_lab(torch.tensor(SKY).view(1, 3, 1, 1))[0, 1:, 0, 0]
    assert torch.allclose(colors[:, 20, 10], blue, atol=0.5)
    filled = network._spread_colors(nir[0], network._dct(nir)[0])
    assert torch.allclose(filled[:, vote > 0.8], colors[:, vote > 0.8], atol=1e-4)
    assert not torch.allclose(filled, colors, atol=1e-2)


def test_most_of_the_nearest_decide_and_the_nearest_of_those_is_the_match():
    known = torch.tensor([[0.0], [1.0], [1.2], [9.0]])
    segment = torch.tensor([0, 1, 1, 0])
    distance, match = _nearest(torch.tensor([[0.3]]), known, segment, neighbors=3)
    assert match.tolist() == [1]
    assert distance.item() == pytest.approx(0.7)


def test_irony_keeps_the_brightness_of_nir():
    network = Irony(segments=2)
    network.update(*woven((0.1, 0.0, 0.2), (0.2, 0.1, 0.1)))
    nir = woven(SKY, BRICK)[0].expand(-1, 3, -1, -1)
    out = network(nir)
    held = out.abs().amax(1) < 1
    assert held.float().mean() > 0.5
    assert torch.allclose(rgb_to_lab(out)[:, 0][held], rgb_to_lab(nir)[:, 0][held], atol=0.05)


def test_a_large_picture_is_colored_at_a_megapixel(monkeypatch):
    network = Irony(segments=2)
    network.update(*woven(SKY, BRICK))
    nir = woven(SKY, BRICK, size=(96, 128))[0].expand(-1, 3, -1, -1)
    sizes = []
    spread = network._spread_colors
    network._spread_colors = lambda band, described: (
        sizes.append(band.shape) or spread(band, described)
    )
    plain = network(nir)
    monkeypatch.setattr("nirgan.networks.generators.irony.MAX_PIXELS", 96 * 128 // 4)
    assert network(nir).shape == plain.shape
    assert sizes == [(1, 96, 128), (1, 48, 64)]


@pytest.mark.parametrize(
    ("make", "other", "said"),
    [
        (Welsh, {"space": "colip"}, "space is colip, but the checkpoint was made with lalphabeta"),
        (Welsh, {"neighbourhood": 7}, "neighbourhood is 7, but the checkpoint was made with 5"),
        (Welsh, {"samples": 20}, "samples is 20, but the checkpoint was made with 200"),
        (Irony, {"window": 5}, "window is 5, but the checkpoint was made with 7"),
        (Irony, {"segments": 2}, "segments is 2, but the checkpoint was made with 4"),
    ],
)
def test_examples_of_other_options_are_refused(make, other, said):
    network = make()
    network.update(*painted((-0.4, 0.2), (SKY, BRICK)))
    with pytest.raises(NirganError, match=said):
        make(**other).load_state_dict(network.state_dict())


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (Welsh, {"neighbourhood": 4}, "neighbourhood is 4"),
        (Welsh, {"samples": 0}, "samples is 0"),
        (Irony, {"window": 1}, "window is 1"),
        (Irony, {"neighbours": 401}, "neighbours is 401, expected 1 to 400"),
        (Irony, {"segments": 0}, "segments is 0"),
    ],
)
def test_a_number_that_cannot_be_is_refused(make, options, said):
    with pytest.raises(ValueError, match=said):
        make(**options)


def test_segments_are_of_one_color():
    colors = torch.tensor([[50.0, 0, 0]] * 5 + [[50.0, 30, 0]] * 4 + [[50.0, 0, -40]] * 3)
    label = segment_colors(colors, 3).tolist()
    assert len(set(label[:5])) == len(set(label[5:9])) == len(set(label[9:])) == 1
    assert len(set(label)) == 3
    assert len(set(segment_colors(torch.ones(8, 3), 4).tolist())) == 1


def test_the_subspace_leaves_out_what_segments_do_not_differ_in():
    random = torch.Generator().manual_seed(0)
    texture = torch.randn(400, 5, generator=random) * torch.tensor([20.0, 1, 1, 1, 1])
    segment = (torch.arange(400) % 2).float()
    texture[:, 3] += 4 * segment
    axes = separating_directions(texture, segment)
    assert axes.shape == (5, 1)
    assert axes[3].abs() > 5 * axes[[0, 1, 2, 4]].abs().max()
    within = (texture @ axes)[segment == 0]
    assert within.var().item() == pytest.approx(1, abs=0.2)
