"""Translates former import paths of classes.

Checkpoints, model folders and configurations name classes by import path, and outlive the layout of
this package. A path is translated before it is checked, so that the checks apply to the current
class.
"""

RENAMED = {
    "nirgan.callbacks.best.Best": "nirgan.callbacks.best_checkpoint.BestCheckpoint",
    "nirgan.callbacks.buffers.SameBuffers": "nirgan.callbacks.broadcast_buffers.BroadcastBuffers",
    "nirgan.checkpoint_io.WholeCheckpointIO": "nirgan.callbacks.checkpoint_io.AtomicCheckpointIO",
    "nirgan.callbacks.checkpoint_io.WholeCheckpointIO": (
        "nirgan.callbacks.checkpoint_io.AtomicCheckpointIO"
    ),
    "nirgan.callbacks.unchanged.Unchanged": "nirgan.callbacks.data_integrity.DataIntegrity",
    "nirgan.callbacks.ranks.Ranks": "nirgan.callbacks.distributed_teardown.DistributedTeardown",
    "nirgan.callbacks.last.Last": "nirgan.callbacks.latest_checkpoint.LatestCheckpoint",
    "nirgan.callbacks.finite.Finite": "nirgan.callbacks.non_finite_guard.NonFiniteGuard",
    "nirgan.callbacks.predictions.Predictions": "nirgan.callbacks.predictions.PredictionWriter",
    "nirgan.callbacks.draws.Draws": "nirgan.callbacks.step_seeding.StepSeeding",
    "nirgan.loggers.PatientWandb": "nirgan.experiment.wandb_logger.OfflineFallbackWandbLogger",
    "nirgan.experiment.wandb_logger.PatientWandb": (
        "nirgan.experiment.wandb_logger.OfflineFallbackWandbLogger"
    ),
    "nirgan.networks.closed_form.GreyCopy": "nirgan.networks.generators.baselines.GreyCopy",
    "nirgan.networks.closed_form.MeanColour": "nirgan.networks.generators.baselines.MeanColor",
    "nirgan.networks.generators.baselines.MeanColour": (
        "nirgan.networks.generators.baselines.MeanColor"
    ),
    "nirgan.networks.closed_form.NirTable": "nirgan.networks.generators.baselines.NirTable",
    "nirgan.networks.irony.Irony": "nirgan.networks.generators.irony.Irony",
    "nirgan.networks.welsh.Welsh": "nirgan.networks.generators.welsh.Welsh",
    "nirgan.networks.whole.InstanceNorm": "nirgan.networks.global_layers.InstanceNorm",
    "nirgan.networks.whole.Moments": "nirgan.networks.global_layers.Moments",
    "nirgan.networks.whole.Thumbnail": "nirgan.networks.global_layers.Thumbnail",
    "nirgan.tasks.colour_classes.ColourClassesTask": "nirgan.tasks.color_classes.ColorClassesTask",
    "nirgan.tasks.training.Terms": "nirgan.tasks.training.LossCollection",
    "nirgan.tasks.training.Term": "nirgan.tasks.training.WeightedLoss",
}
"""Current path by former path; of several former paths of a class, the oldest comes first."""

FORMER_NAMES = {
    former.rpartition(".")[2]: today
    for former, today in RENAMED.items()
    if former.rpartition(".")[2] != today.rpartition(".")[2]
}
"""Current path by former short name."""


def current_path(path: str) -> str:
    """The current path of a class.

    >>> current_path("nirgan.networks.welsh.Welsh")
    'nirgan.networks.generators.welsh.Welsh'
    >>> current_path("torch.nn.L1Loss")
    'torch.nn.L1Loss'
    """
    return RENAMED.get(path, path)


def with_oldest_paths(text: str) -> str:
    """Replace class paths in JSON by their oldest form, so that hashes of it do not change.

    >>> with_oldest_paths('{"class_path": "nirgan.networks.generators.welsh.Welsh"}')
    '{"class_path": "nirgan.networks.welsh.Welsh"}'
    """
    for former, today in RENAMED.items():
        text = text.replace(f'"{today}"', f'"{former}"')
    return text
