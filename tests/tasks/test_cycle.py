import pytest
import torch
from tasks_helpers import batch, moved_by_each_update, train
from torch import nn

from nirgan.errors import NirganError
from nirgan.networks.discriminators.patch import PatchGAN
from nirgan.networks.generators.resnet import ResNet
from nirgan.tasks.cycle import CycleTask, ImagePool, grey, unpaired


class Scaled(nn.Module):
    """A generator that multiplies, or a discriminator that means and multiplies."""

    def __init__(self, factor, judges=False):
        super().__init__()
        self.factor, self.judges = nn.Parameter(torch.tensor(factor)), judges

    def forward(self, pictures, nir=None):
        shown = pictures.mean((1, 2, 3)) if self.judges else pictures
        return self.factor * shown


def written_out(**options):
    judges = Scaled(2.0, judges=True), Scaled(4.0, judges=True)
    return CycleTask(Scaled(0.5), Scaled(3.0), *judges, **options)


def level(value):
    return torch.full((2, 3, 4, 4), value)


def test_the_losses_are_those_of_the_publication():
    module = written_out(cycle=10.0, identity=0.5)
    x, y = level(0.4), level(0.2)
    color, band = module.generator(y), grey(module.inverse(x))  # 0.1 and 1.2
    losses = module.generator_losses(x, y, color, band)
    assert losses["generator"].item() == pytest.approx((2 * 0.1 - 1) ** 2 + (4 * 1.2 - 1) ** 2)
    assert losses["cycle"].item() == pytest.approx(10 * (abs(0.3 - 0.2) + abs(0.6 - 0.4)))
    assert losses["identity"].item() == pytest.approx(5 * (abs(0.2 - 0.4) + abs(0.6 - 0.2)))
    true = (2 * 0.4 - 1) ** 2 + (4 * 0.2 - 1) ** 2
    made = (2 * 0.1) ** 2 + (4 * 1.2) ** 2
    assert module.discriminator_loss(x, y, color, band)[0].item() == pytest.approx(
        (true + made) / 2
    )


def test_no_patch_stands_against_its_own_colors():
    shown = batch(4)
    x, y = unpaired(shown)
    assert torch.equal(y, shown["triplet"])
    for number in range(4):
        assert torch.equal(x[number], shown["rgb"][number - 1])
    with pytest.raises(NirganError, match=r"data.batch_size is 1"):
        unpaired(batch(1))


def test_pairs_count_only_where_they_are_asked_for():
    for paired in (0.0, 5.0):
        module, shown = written_out(paired=paired), batch()
        train(module, [shown])
        assert ("train/paired" in module.step_values) == bool(paired)
    apart = (0.5 * shown["triplet"] - shown["rgb"]).abs().mean()
    assert module.step_values["train/paired"].item() == pytest.approx(5 * apart.item())


def test_a_pool_gives_former_pictures_back_half_of_the_time():
    torch.manual_seed(0)
    pool = ImagePool(4)
    first = torch.arange(4.0).view(4, 1, 1, 1)
    assert torch.equal(pool.exchange(first), first)
    given = [pool.exchange(torch.full((1, 1, 1, 1), 10.0 + i)).item() for i in range(400)]
    new = [value == 10 + i for i, value in enumerate(given)]
    assert 150 < sum(new) < 250
    assert len(pool.pictures) == 4
    many = ImagePool(2)
    many.exchange(torch.zeros(8, 3, 4, 4))
    assert [p.untyped_storage().nbytes() for p in many.pictures] == [3 * 4 * 4 * 4] * 2
    assert torch.equal(ImagePool(0).exchange(first), first)


def task(**options):
    torch.manual_seed(0)
    judges = [PatchGAN((4, 8), condition=False, norm="instance", std=0.1) for _ in range(2)]
    return CycleTask(ResNet(4, 1, std=0.1), ResNet(4, 1, std=0.1), *judges, **options)


def test_each_step_moves_generators_or_discriminators_alone():
    makers, judges = {"generator", "inverse"}, {"discriminator", "inverse_discriminator"}
    assert moved_by_each_update(task()) == [makers, judges]


def test_the_published_generator_has_its_layers():
    widths = [m.out_channels for m in ResNet().modules() if isinstance(m, nn.Conv2d)]
    assert widths == [64, 128, 256, *[256] * 18, 3]
    up = [m.out_channels for m in ResNet().modules() if isinstance(m, nn.ConvTranspose2d)]
    assert up == [128, 64]
