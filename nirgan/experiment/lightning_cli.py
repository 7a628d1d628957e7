"""fit, validate, test and predict: Lightning's command line, with nirgan's defaults.

A complete experiment is a YAML file of `name`, `model`, `data` and `trainer`; each of the last
three may be the path of a file of its own, relative to the one that names it.
"""

import logging
import re
import signal
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from traceback import extract_tb
from typing import Any, Self

import jsonargparse
import lightning
import torch
import yaml
from jsonargparse import Namespace
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.utilities import rank_zero_info
from omegaconf.errors import OmegaConfBaseException

from nirgan.callbacks.best_checkpoint import BestCheckpoint
from nirgan.callbacks.broadcast_buffers import BroadcastBuffers
from nirgan.callbacks.checkpoint_io import AtomicCheckpointIO, newest_complete
from nirgan.callbacks.collapse import Collapse
from nirgan.callbacks.data_integrity import DataIntegrity
from nirgan.callbacks.distributed_teardown import DistributedTeardown
from nirgan.callbacks.history import History, HistoryLogger
from nirgan.callbacks.latest_checkpoint import LatestCheckpoint
from nirgan.callbacks.non_finite_guard import NonFiniteGuard
from nirgan.callbacks.pictures import Pictures
from nirgan.callbacks.predictions import PredictionWriter
from nirgan.callbacks.preemption import Preemption
from nirgan.callbacks.step_seeding import StepSeeding
from nirgan.callbacks.throughput import Throughput
from nirgan.data.datamodule import PatchDataModule
from nirgan.errors import NirganError
from nirgan.evaluation.summary import NEXT_STEPS, summarize
from nirgan.experiment.checkpoint_options import TRUST_REMEDY, log_overridden, strings_of
from nirgan.experiment.config_errors import (
    NO_CONFIG,
    MisconfiguredError,
    VerbParser,
    add_trust,
    check_files,
    explain,
)
from nirgan.experiment.wandb_logger import OfflineFallbackWandbLogger
from nirgan.metrics import MAIN, larger_is_better
from nirgan.networks.initialization import skip_pretrained
from nirgan.tasks.base import ColorizationTask
from nirgan.utils.atomic_write import write_text
from nirgan.utils.config_files import AddingConfig, use_model_option
from nirgan.utils.lightning_internals import WithoutRun, leave_signals_alone, use_averaged_weights
from nirgan.utils.paths import resolve_shipped
from nirgan.utils.safe_loading import check_hyperparameters, load_checkpoint

PART_OPTIONS = {"class_path": "--model", "source": "--data"}
"""Keys at the top of a part's file, and the option that takes it."""

ADVICE_INSTEAD = {
    "gradient_clip_val": "trainer.gradient_clip_val cannot act on two networks; "
    "use model.gradient_clip_norm",
    "accumulate_grad_batches": "trainer.accumulate_grad_batches cannot act on two networks; "
    "use data.batch_size",
}
"""Messages that replace advice of Lightning's that cannot be followed here."""

DEFAULT_CALLBACKS: dict[str, tuple[Any, str]] = {
    "data_integrity": (DataIntegrity, "stops a run whose data change under it"),
    "finite": (NonFiniteGuard, "stops a run whose losses or weights are no longer numbers"),
    "collapse": (Collapse, "tells of a discriminator or generator that has collapsed"),
    "last": (LatestCheckpoint, "keeps last.ckpt, from which a run goes on"),
}
"""Callbacks that every run has unless a person sets their key to null, and what they are for."""

LIGHTNING_FOLDER = str(Path(lightning.__file__).parent)
"""A `ValueError` raised in it names the option of the trainer that is wrong."""

WANDB_NONE = re.compile(r"(?<=\w)=None$")
"""W&B's agent writes a `null` of a sweep file as `--option=None`."""


def fit(arguments: Sequence[str], callbacks: Sequence[Callback] = ()) -> "ExperimentCLI":
    """Run `fit` from Python, with further callbacks, and without the evaluation at its end.

    Returns:
        The CLI with its `trainer`, `model` and `datamodule`, after the last training step.

    Raises:
        NirganError: The configuration or the data cannot be used.
    """
    return run("fit", arguments, FitOnly, callbacks)


def configuration(arguments: Sequence[str]) -> dict[str, Any]:
    """Parse the arguments of `fit`; returns the whole configuration, with defaults, unbuilt.

    Raises:
        NirganError: The configuration cannot be used.
    """
    config: dict[str, Any] = to_plain(run("fit", arguments, ParseOnly).config["fit"].as_dict())
    return config


def to_plain(value: Any) -> Any:
    """Convert a configuration to plain JSON types, without the paths of its files."""
    if isinstance(value, dict):
        return {k: to_plain(v) for k, v in value.items() if k != "__path__"}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def silence_lightning() -> None:
    """Suppress Lightning's messages, for programs that do many runs in a process."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)


def run(
    verb: str,
    arguments: Sequence[str],
    kind: type["ExperimentCLI"] | None = None,
    callbacks: Sequence[Callback] = (),
) -> "ExperimentCLI":
    """Run an experiment verb.

    Raises:
        NirganError: The configuration or the data cannot be used.
    """
    arguments = [WANDB_NONE.sub("=null", resolve_shipped(word)) for word in arguments]
    check_files(arguments, PART_OPTIONS)
    for word in arguments:
        if word.encode(errors="replace").decode() != word:
            raise NirganError(f"{word}: not UTF-8; give another name, or rename it")
    _silence_libraries()
    jsonargparse.set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    # omegaconf+ resolves ${...} after every file and override; the older mode leaves them stale.
    options = {"parser_mode": "omegaconf+", "allow_abbrev": False}
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        return (kind or ExperimentCLI)(
            ColorizationTask,
            PatchDataModule,
            callbacks=callbacks,
            subclass_mode_model=True,
            auto_configure_optimizers=False,
            seed_everything_default=0,
            save_config_callback=SaveConfig,
            trainer_defaults={"use_distributed_sampler": False, "default_root_dir": "runs"},
            parser_kwargs={"prog": "python -m nirgan"} | {verb: options} | options,
            args=[verb, *arguments],
        )
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning has turned it into status 1
            signal.signal(signal.SIGINT, interrupt)
            raise KeyboardInterrupt from None
        raise
    except NirganError as error:
        if "Original Traceback" not in str(error):
            raise
        # What an error in a loader process says comes last.
        raise NirganError(str(error).rpartition("NirganError: ")[2]) from error
    except MisconfiguredError as error:
        message = explain(error, error.parser)
        raise NirganError(message.replace(NO_CONFIG, _config_to_give(arguments))) from error
    except MisconfigurationException as error:
        hints = (hint for key, hint in ADVICE_INSTEAD.items() if key in str(error))
        raise NirganError(next(hints, " ".join(str(error).split()))) from error
    except OmegaConfBaseException as error:
        message = str(error).splitlines()[0].replace(f"{verb}.", "")
        raise NirganError(f"${{...}}: {message}") from error
    except ValueError as error:
        if not extract_tb(error.__traceback__)[-1].filename.startswith(LIGHTNING_FOLDER):
            raise
        raise NirganError(" ".join(str(error).split())) from error


def _config_to_give(arguments: Sequence[str]) -> str:
    """Advice which configuration to give: that of the checkpoint's run, or an example."""
    for word, following in pairwise([*arguments, ""]):
        option, _, value = word.partition("=")
        file = Path(value or following).parent.parent / "config.yaml"
        if option == "--ckpt_path" and file.is_file():
            return f"; that of the checkpoint's run is --config {file}"
    return NO_CONFIG


def _silence_libraries() -> None:
    """Suppress messages of libraries that a user can do nothing about."""
    for message in (
        ".*LightningCLI's args parameter.*",  # about scripts
        ".*is not supported by the model summary.*",
        ".*smaller than the logging interval.*",
        ".*does not have many workers.*",  # one process delivers more than a CPU trains on
        ".*treespec, LeafSpec.*",
        ".*ended before the epoch ended.*",  # the data module resumes there
    ):
        warnings.filterwarnings("ignore", message)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_is_no_advertisement)


def _is_no_advertisement(record: logging.LogRecord) -> bool:
    """Lightning advertises another logger at every start."""
    return "litlogger" not in record.getMessage()


class Parser(VerbParser, LightningArgumentParser):
    """Lightning's parser, without the usage dump."""


class SaveConfig(SaveConfigCallback):
    """Saves the whole configuration with the results, and passes it to every logger."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Called before the first batch; as Lightning's, which takes as long as parsing anew."""
        folder = Path(trainer.log_dir or ".")  # this asks all ranks
        if self.already_saved or not trainer.is_global_zero:
            return
        self.already_saved = True
        config = to_plain(self.config.as_dict())
        saved = {key: value for key, value in config.items() if key != "config"}  # the files' names
        text = yaml.safe_dump(saved, sort_keys=False, allow_unicode=True)
        write_text(folder / self.config_filename, text)
        for logger in trainer.loggers:
            logger.log_hyperparams(config)


class ExperimentCLI(LightningCLI):
    """Parses an experiment, runs a verb, and writes the summary."""

    def __init__(self, *args: Any, callbacks: Sequence[Callback] = (), **kwargs: Any) -> None:
        self.callbacks = callbacks
        self.verb = kwargs["args"][0]
        super().__init__(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return itself: averaged weights copy the task, whose optimizer factories refer to it."""
        return self

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # asked of an instance
        """Only the verb that is run: building parsers for all of them doubles the start-up time."""
        return {self.verb: super().subcommands()[self.verb]}

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """The parser of the verbs and of each one."""
        parser = Parser(**kwargs)
        parser.add_argument(
            "-c",
            "--config",
            action=AddingConfig,
            help="YAML file; several may be given, later ones win; losses are added by name",
        )
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the options beside model, data and trainer."""
        parser.add_argument("--name", default="experiment", help="names the folder of results")
        use_model_option(parser)
        add_trust(parser, "--ckpt_path")
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.add_lightning_class_args(Pictures, "pictures")
        for key, (kind, purpose) in DEFAULT_CALLBACKS.items():
            default = jsonargparse.lazy_instance(kind)  # type: ignore[attr-defined]
            about = f"{purpose}; null leaves it out"
            parser.add_argument(f"--{key}", type=kind | None, default=default, help=about)
        parser.set_defaults(
            {
                "checkpoint.monitor": f"val/{MAIN}",
                "checkpoint.mode": "min",
                "checkpoint.filename": "best",
                "checkpoint.enable_version_counter": False,
            }
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Check the checkpoint before Lightning takes the model's arguments from it.

        Lightning passes them to the parser, which imports and calls what they name.
        """
        super().parse_arguments(parser, args)
        verb = self.config.subcommand
        config = self.config[verb]
        if isinstance(seed := config.seed_everything, int) and seed < 0:
            raise NirganError(f"seed_everything is {seed}, expected 0 or more")
        trust = config.pop("trust")  # not part of the stored configuration
        self.method = _method_name(config.model)
        self.given = to_plain(config.model.as_dict()) if config.model else {}
        path = config.ckpt_path
        if path is None and verb != "fit":
            raise NirganError(
                f"--ckpt_path is missing; `fit` leaves one in {config.trainer.default_root_dir}/"
                f"{config.name}/version_N/checkpoints/best.ckpt"
            )
        if path == "last":
            path = config.ckpt_path = _newest_checkpoint(config)
        if config.weights_only is False:
            raise NirganError("--weights_only false: a checkpoint could run any code; leave it out")
        if path is not None:
            if not (file := Path(path)).is_file():
                raise NirganError(f"--ckpt_path {path}: no such file")
            known = trust or strings_of(self.given)
            check_hyperparameters(load_checkpoint(file, mmap=True), file, known, TRUST_REMEDY)

    def before_instantiate_classes(self) -> None:
        """Check the checkpoint's model, and add the logger to `metrics.csv` to any others."""
        config = self.config[self.subcommand]
        if (found := _method_name(config.model)) != self.method:  # replaced by the checkpoint's
            raise NirganError(
                f"--ckpt_path {config.ckpt_path}: holds {found}, but the configuration says "
                f"{self.method}; give the one that it was trained with"
            )
        if path := config.ckpt_path:
            log_overridden(path, self.given, to_plain(config.model.as_dict()))
        if larger_is_better(str(config.checkpoint.monitor)):
            config.checkpoint.mode = "max"
        if config.trainer.accelerator == "auto" and torch.backends.mps.is_available():
            config.trainer.accelerator = "cpu"  # Apple's GPUs lack the 64 bits of metrics' sums
        given = config.trainer.logger
        if given is False:
            return
        run = Namespace(save_dir=config.trainer.default_root_dir, name=config.name)  # type: ignore[no-untyped-call]
        history = Namespace(class_path=_class_path(HistoryLogger), init_args=run)  # type: ignore[no-untyped-call]
        others = given if isinstance(given, list) else [] if given in (None, True) else [given]
        for logger in others:
            if logger.class_path.rpartition(".")[2] == "WandbLogger":
                logger.class_path = _class_path(OfflineFallbackWandbLogger)
                if logger.init_args.save_dir == ".":  # the default
                    logger.init_args.save_dir = config.trainer.default_root_dir
        config.trainer.logger = [history, *others]

    def instantiate_classes(self) -> None:
        """Build model, data and trainer; report errors of constructors in one line."""
        config = self.config[self.subcommand]
        resumed = config.ckpt_path is not None
        self.config_dump = to_plain(config.as_dict())  # Lightning's takes as long as parsing anew
        try:
            with skip_pretrained() if resumed else nullcontext():
                super().instantiate_classes()
        except (TypeError, ValueError) as error:
            raise NirganError(explain(error, self.parser)) from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer, with the callbacks that every run has."""
        config = self.config_init[self.subcommand]
        chosen = {key: config[key] for key in DEFAULT_CALLBACKS}
        last = chosen.pop("last")
        own: list[Callback] = [DistributedTeardown(), *filter(None, chosen.values())]
        own += [Throughput(), PredictionWriter(), StepSeeding(), BroadcastBuffers(), History()]
        own += [Preemption(), *self.callbacks]
        # Lightning ignores the configuration's callbacks if others are passed, so both are.
        given = config.trainer.callbacks or []
        given = given if isinstance(given, list) else [given]
        trainer = super().instantiate_trainer(callbacks=[*own, *given], **kwargs)
        if last is not None:
            # After `BestCheckpoint`, whose new state it saves.
            trainer.callbacks.append(last)  # type: ignore[attr-defined]
        trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        for logger in trainer.loggers:
            _ = logger.version  # claims the run's folder before pictures are decoded
        # Lightning's own handlers communicate between ranks at any time, exit with status 0, and
        # under SLURM save states that other experiments would resume from.
        leave_signals_alone(trainer)
        return trainer

    def after_fit(self) -> None:
        """Evaluate the best checkpoint."""
        if best := self.config_init[self.subcommand].checkpoint.best_model_path:
            self.model.load_state_dict(load_checkpoint(Path(best))["state_dict"])
        self._summarize(whole=False)
        rank_zero_info(NEXT_STEPS.format(run=self.trainer.log_dir))

    def after_validate(self) -> None:
        """Evaluate on validation patches."""
        self._summarize(whole=False)

    def after_test(self) -> None:
        """Evaluate on whole validation regions."""
        self._summarize(whole=True)

    def _summarize(self, *, whole: bool) -> None:
        name = self.config[self.subcommand].name
        summarize(self.trainer, self.model, self.datamodule, name, whole=whole)


class FitOnly(ExperimentCLI):
    """Trains without the evaluation at the end."""

    def after_fit(self) -> None:
        """Skip the evaluation."""
        use_averaged_weights(self.trainer, self.model)


class ParseOnly(WithoutRun, ExperimentCLI):
    """Only parses an experiment."""

    def before_instantiate_classes(self) -> None:
        """Leave the configuration as it is, and build nothing."""

    instantiate_classes = before_instantiate_classes


def _method_name(model: Namespace | None) -> str:
    """The names of the task and generator of a configuration."""
    if model is None:
        return ""
    generator = model.init_args.get("generator")
    return " of ".join(p.class_path.rpartition(".")[2] for p in (model, generator) if p)


def _newest_checkpoint(config: Namespace) -> str:
    """The newest complete checkpoint of an experiment's runs."""
    runs = Path(config.trainer.default_root_dir) / config.name
    newest = newest_complete(runs.glob("version_*/checkpoints/[!.]*.ckpt"))
    if newest is None:
        raise NirganError(
            f"--ckpt_path last: no whole checkpoint in {runs}/version_N/checkpoints; "
            "name one, or leave the option out"
        )
    rank_zero_info(f"--ckpt_path last is {newest}")
    return str(newest)


def _class_path(class_: type) -> str:
    return f"{class_.__module__}.{class_.__qualname__}"
