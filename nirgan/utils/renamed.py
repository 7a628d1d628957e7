"""Classes that files name by a path that they no longer have.

Checkpoints, model folders and configurations name classes by import path, and live longer than the
layout of this package. A path is translated before anything else is asked of it, so what may be
imported is asked of where a class is now.
"""

RENAMED = {
    "nirgan.checkpoint_io.WholeCheckpointIO": "nirgan.callbacks.checkpoint_io.WholeCheckpointIO",
    "nirgan.loggers.PatientWandb": "nirgan.experiment.wandb_logger.PatientWandb",
    "nirgan.networks.closed_form.GreyCopy": "nirgan.networks.generators.baselines.GreyCopy",
    "nirgan.networks.closed_form.MeanColour": "nirgan.networks.generators.baselines.MeanColour",
    "nirgan.networks.closed_form.NirTable": "nirgan.networks.generators.baselines.NirTable",
    "nirgan.networks.irony.Irony": "nirgan.networks.generators.irony.Irony",
    "nirgan.networks.welsh.Welsh": "nirgan.networks.generators.welsh.Welsh",
}
"""From each former path to the one of today; of several for one class the oldest comes first."""


def current(path: str) -> str:
    """Where the class of a path is today.

    >>> current("nirgan.networks.welsh.Welsh")
    'nirgan.networks.generators.welsh.Welsh'
    >>> current("torch.nn.L1Loss")
    'torch.nn.L1Loss'
    """
    return RENAMED.get(path, path)


def oldest(text: str) -> str:
    """JSON in which each class has the path that it had first, so that it says what it ever said.

    >>> oldest('{"class_path": "nirgan.networks.generators.welsh.Welsh"}')
    '{"class_path": "nirgan.networks.welsh.Welsh"}'
    """
    for former, today in RENAMED.items():
        text = text.replace(f'"{today}"', f'"{former}"')
    return text
