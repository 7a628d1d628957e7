import pytest
import torch
from tasks_helpers import data_of, train

from nirgan.errors import NirganError
from nirgan.networks.generators.zhang import Zhang, bins, soft_encoding
from nirgan.tasks.color_classes import ColorClassesTask, rebalancing
from nirgan.utils.color_spaces import lab_to_rgb, rgb_to_lab


def painted(*ab, lightness=60.0):
    """A picture of one color a quarter."""
    lab = torch.tensor([(lightness, *color) for color in ab]).T.reshape(1, 3, 2, 2)
    return lab_to_rgb(lab.repeat_interleave(8, 2).repeat_interleave(8, 3))


def place(a, b):
    return bins().tolist().index([a, b])


def task(**options):
    torch.manual_seed(0)
    return ColorClassesTask(Zhang(width=4), **options)


def test_colors_are_counted_by_their_bins():
    count = task().count(painted((0, 0), (0, 0), (20, 30), (-10, -20)))
    assert count.sum() == 256
    assert count[[place(0, 0), place(20, 30), place(-10, -20)]].tolist() == [128, 64, 64]


def test_a_large_picture_is_counted_whole():
    rgb = (
        painted((0, 0), (0, 0), (20, 30), (20, 30))
        .repeat_interleave(17, 2)
        .repeat_interleave(17, 3)
    )
    count = task().count(rgb)
    assert count[[place(0, 0), place(20, 30)]].tolist() == [272**2 / 2] * 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"uniform": 0.0}, r"model.uniform is 0.0"),
        ({"uniform": 2.0}, r"model.uniform is 2.0"),
        ({"sigma": 0.0}, r"model.sigma is 0.0, expected more than 0"),
        ({"neighbours": 0}, r"model.neighbours is 0, expected 1 to 313"),
        ({"neighbours": 314}, r"model.neighbours is 314, expected 1 to 313"),
    ],
)
def test_a_number_that_cannot_be_is_refused(options, said):
    with pytest.raises(NirganError, match=said):
        task(**options)


def test_rare_colors_weigh_more_and_the_mean_weight_is_one():
    points = torch.tensor([[0.0, 0.0], [1000.0, 0.0], [2000.0, 0.0]])  # too far to be smoothed
    count = torch.tensor([90.0, 10.0, 0.0])
    weights = rebalancing(count, points, sigma=5.0, uniform=0.5)
    raw = [1 / (0.5 * share + 0.5 / 3) for share in (0.9, 0.1, 0.0)]
    mean = 0.9 * raw[0] + 0.1 * raw[1]
    assert weights.tolist() == pytest.approx([w / mean for w in raw])
    alike = rebalancing(count, points, sigma=5.0, uniform=1.0)
    assert alike.tolist() == pytest.approx([1, 1, 1])


def test_counts_are_smoothed_over_neighbouring_bins():
    points = bins()
    count = torch.zeros(313)
    count[place(0, 0)] = 100
    weights = rebalancing(count, points, sigma=5.0, uniform=0.5)
    near, far = weights[place(0, 10)], weights[place(60, 60)]
    assert weights[place(0, 0)] < near < far


def test_the_loss_by_hand():
    module = task(lightness=10.0)
    module.weights.copy_(torch.linspace(0.5, 2, 313))
    rgb = painted((0, 0), (20, 30), (20, 30), (-10, -20))
    logits = torch.randn(1, 313, 4, 4)
    losses = module.losses(logits, torch.full((1, 1, 16, 16), 70.0), rgb)
    assert losses["lightness"].item() == pytest.approx(10 * 0.1, rel=1e-3)
    expected, log = 0.0, torch.log_softmax(logits, 1)
    for row in range(4):
        for column in range(4):
            ab = rgb_to_lab(rgb)[0, 1:, 4 * row, 4 * column]
            truth = soft_encoding(ab[None], bins())[0]
            nearest = place(*(ab / 10).round().mul(10).add(0.0).tolist())
            cross = -(truth * log[0, :, row, column]).sum()
            expected += module.weights[nearest] * cross / 16
    assert losses["color"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_the_weights_come_from_the_training_regions_and_stay(pair_folder):
    data = data_of(pair_folder, train_patches=8)
    module = task()
    assert not module.weights.any()
    train(module, data)
    count = torch.zeros(313)
    for stored in data.training_regions():
        count += module.count(data.on_after_batch_transfer(stored, 0)["rgb"])
    assert torch.allclose(module.weights, rebalancing(count, bins(), 5.0, 0.5))
    again = task()
    again.load_state_dict(module.state_dict())
    again.weights *= 2
    train(again, data)
    assert torch.allclose(again.weights, 2 * module.weights)


def test_every_part_of_the_network_learns():
    module = task()
    module.on_fit_start = lambda: None
    module.weights.fill_(1)
    before = {name: p.clone() for name, p in module.named_parameters()}
    rgb = painted((0, 0), (20, 30), (20, 30), (-10, -20)).repeat(2, 1, 1, 1)
    train(module, [{"triplet": rgb.mean(1, keepdim=True).repeat(1, 3, 1, 1), "rgb": rgb}])
    moved = {n.split(".")[1] for n, p in module.named_parameters() if not torch.equal(p, before[n])}
    assert moved == {"first", "trunk", "up", "last", "bins", "far", "lightness"}
