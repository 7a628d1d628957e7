"""Classes that files name by a path that they no longer have.

Checkpoints, model folders and configurations name classes by import path, and live longer than the
layout of this package. A path is translated before anything else is asked of it, so what may be
imported is asked of where a class is now.
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
"""From each former path to the one of today; of several for one class the oldest comes first."""


def current_path(path: str) -> str:
    """Where the class of a path is today.

    >>> current_path("nirgan.networks.welsh.Welsh")
    'nirgan.networks.generators.welsh.Welsh'
    >>> current_path("torch.nn.L1Loss")
    'torch.nn.L1Loss'
    """
    return RENAMED.get(path, path)


def with_oldest_paths(text: str) -> str:
    """JSON in which each class has the path that it had first, so that it says what it ever said.

    >>> with_oldest_paths('{"class_path": "nirgan.networks.generators.welsh.Welsh"}')
    '{"class_path": "nirgan.networks.welsh.Welsh"}'
    """
    for former, today in RENAMED.items():
        text = text.replace(f'"{today}"', f'"{former}"')
    return text
