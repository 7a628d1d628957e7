import pytest
import torch
from tasks_helpers import batch, data_of, train
from torch.nn.functional import cross_entropy

from nirgan.data.datamodule import PatchDataModule
from nirgan.data.sources.synthetic import Synthetic
from nirgan.errors import NirganError
from nirgan.networks.generators.iizuka import Iizuka
from nirgan.tasks.scene_classes import SceneClassesTask
from nirgan.utils.color_spaces import rgb_to_lab


def task(**options):
    torch.manual_seed(0)
    return SceneClassesTask(Iizuka(width=4, size=32), **options)


def data(count=10, **options):
    return PatchDataModule(
        Synthetic(count=count), patch=32, train_patches=8, val_patches=2, batch_size=10, **options
    )


def test_the_loss_by_hand():
    module, shown = task(classes=3), batch()
    lab, logits = torch.randn(4, 3, 16, 16), torch.randn(4, 3)
    category = torch.tensor([0, 2, 1, 2])
    losses = module.losses(lab, logits, shown["rgb"], category)
    truth = rgb_to_lab(shown["rgb"])
    off = [lab[:, 0] - (truth[:, 0] - 50) / 50, lab[:, 1:] - truth[:, 1:] / 110]
    squares = (off[0].square().sum() + off[1].square().sum()) / lab.numel()
    assert losses["color"].item() == pytest.approx(squares.item(), rel=1e-5)
    expected = cross_entropy(logits, category).item() / 300
    assert losses["category"].item() == pytest.approx(expected, rel=1e-5)


def test_its_picture_is_the_one_that_the_loss_looks_at():
    module = task().eval()
    triplet = batch()["triplet"]
    lab, _ = module.generator.features(triplet)
    shown = rgb_to_lab(module(triplet))
    inside = module(triplet).abs().amax(1) < 1
    assert inside.any()
    for channel, (middle, span) in enumerate([(50, 50), (0, 110), (0, 110)]):
        expected = lab[:, channel] * span + middle
        assert torch.allclose(shown[:, channel][inside], expected[inside], atol=0.05)


def test_the_category_of_the_scene_is_learned_beside():
    module = task(category_weight=1.0)
    before = module.category[-1].weight.clone()
    train(module, data())
    assert module.trainer.logged_metrics.keys() >= {"train/category", "train/color"}
    assert not torch.equal(module.category[-1].weight, before)


def test_data_of_one_category_teach_no_category(pair_folder):
    module = task()
    train(module, data_of(pair_folder, train_patches=8))
    assert "train/category" not in module.trainer.logged_metrics
    assert not any(p.requires_grad for p in module.category.parameters())  # DDP waits for those


def test_batches_of_one_patch_are_refused():
    one = PatchDataModule(
        Synthetic(count=10), patch=32, train_patches=2, val_patches=2, batch_size=1
    )
    with pytest.raises(NirganError, match=r"data.batch_size is 1: .* needs 2 or more"):
        train(task(), one)


def test_more_categories_than_it_can_tell_apart_are_refused():
    with pytest.raises(NirganError, match=r"model.classes is 2, but the data have 5 .*set it to 5"):
        train(task(classes=2), data())
