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
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import jsonargparse
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
from nirgan.data.sources import epfl, folder, synthetic, vcip  # noqa: F401 (short names work)
from nirgan.errors import NirganError, printable_path
from nirgan.evaluation.summary import NEXT_STEPS, summarize
from nirgan.experiment.checkpoint_options import TRUST_REMEDY, name_overridden, strings_of
from nirgan.experiment.config_errors import check_files, explain
from nirgan.experiment.wandb_logger import OfflineFallbackWandbLogger
from nirgan.networks.initialization import skip_pretrained
from nirgan.tasks.base import ColorizationTask
from nirgan.utils.config_files import AddingConfig
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
"""What to say where Lightning advises what cannot be done here."""

WANDB_NONE = re.compile(r"(?<=\w)=None$")
"""How W&B's agent writes `null` of a sweep file behind an option's name."""


def run(verb: str, arguments: Sequence[str]) -> None:
    """Run an experiment verb.

    Raises:
        NirganError: The configuration or the data cannot be used.
    """
    _run(verb, arguments, ExperimentCLI)


def fit(arguments: Sequence[str], callbacks: Sequence[Callback] = ()) -> "ExperimentCLI":
    """`fit` for programs: without the table at its end.

    Args:
        arguments: Of `fit`.
        callbacks: Beside those of the configuration.

    Returns:
        What ran: its `trainer`, `model` and `datamodule`, the weights as training left them.

    Raises:
        NirganError: The configuration or the data cannot be used.
    """
    return _run("fit", arguments, FitOnly, callbacks)


def configuration(arguments: Sequence[str]) -> dict[str, Any]:
    """All that `fit` would run with, defaults and links resolved; nothing is built.

    Raises:
        NirganError: The configuration cannot be used.
    """
    config: dict[str, Any] = to_plain(_run("fit", arguments, ParseOnly).config["fit"].as_dict())
    return config


def to_plain(value: Any) -> Any:
    """A configuration as JSON and YAML hold it, without the paths of its parts."""
    if isinstance(value, dict):
        return {k: to_plain(v) for k, v in value.items() if k != "__path__"}
    if isinstance(value, list | tuple):
        return [to_plain(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def silence_lightning() -> None:
    """For what does many runs in a process: leave out what Lightning says of every one."""
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _run(
    verb: str,
    arguments: Sequence[str],
    kind: type["ExperimentCLI"],
    callbacks: Sequence[Callback] = (),
) -> "ExperimentCLI":
    arguments = [resolve_shipped(word) for word in arguments]
    check_files(arguments, PART_OPTIONS)
    for word in arguments:
        if word.encode(errors="replace").decode() != word:
            raise NirganError(f"{printable_path(word)}: not UTF-8; give another name, or rename it")
    arguments = [WANDB_NONE.sub("=null", word) for word in arguments]
    _silence_libraries()
    jsonargparse.set_parsing_settings(omegaconf_absolute_to_relative_paths=True)
    # omegaconf+ resolves ${...} after every file and override; the older mode leaves them stale.
    options = {"parser_mode": "omegaconf+", "allow_abbrev": False}
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        return kind(
            ColorizationTask,
            PatchDataModule,
            callbacks=callbacks,
            subclass_mode_model=True,
            auto_configure_optimizers=False,
            seed_everything_default=0,
            save_config_callback=SaveConfig,
            save_config_kwargs={"overwrite": True},  # without a logger all runs share a folder
            trainer_defaults={"use_distributed_sampler": False, "default_root_dir": "runs"},
            parser_kwargs={"prog": "python -m nirgan"} | {verb: options} | options,
            args=[verb, *arguments],
        )
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # which Lightning has made status 1 of
            signal.signal(signal.SIGINT, interrupt)
            raise KeyboardInterrupt from None
        raise
    except NirganError as error:
        if "Original Traceback" in str(error):  # of a loading process, whose last line is the error
            said = str(error).strip().splitlines()[-1]
            raise NirganError(said.partition("NirganError: ")[2] or said) from error
        raise
    except MisconfiguredError as error:
        raise NirganError(explain(str(error), error.parser)) from error
    except MisconfigurationException as error:
        hints = (hint for key, hint in ADVICE_INSTEAD.items() if key in str(error))
        raise NirganError(next(hints, " ".join(str(error).split()))) from error
    except OmegaConfBaseException as error:
        raise NirganError(
            f"${{...}}: {str(error).splitlines()[0].replace(verb + '.', '')}"
        ) from error


def _silence_libraries() -> None:
    """Leave out what the libraries say that no person here can act on."""
    for message in (
        ".*LightningCLI's args parameter.*",  # meant for scripts; this is the command line
        ".*is not supported by the model summary.*",
        ".*smaller than the logging interval.*",
        ".*does not have many workers.*",  # one process delivers more than a CPU trains on
        ".*treespec, LeafSpec.*",
        ".*ended before the epoch ended.*",  # the data module goes on there
    ):
        warnings.filterwarnings("ignore", message)
    # An advertisement for another logger at every start.
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: "litlogger" not in record.getMessage()
    )


class MisconfiguredError(Exception):
    """What a parser raises where it would dump its usage; nested ones quote each other."""

    def __init__(self, message: str, parser: LightningArgumentParser) -> None:
        super().__init__(message)
        self.parser = parser


class Parser(LightningArgumentParser):
    """Lightning's parser, without the usage dump."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise `MisconfiguredError`."""
        raise MisconfiguredError(message, self) from ex


class SaveConfig(SaveConfigCallback):
    """Keeps the whole configuration beside the results, and hands it to every logger."""

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Called once, on one rank, before the first batch."""
        for logger in trainer.loggers:
            logger.log_hyperparams(to_plain(self.config.as_dict()))


class ExperimentCLI(LightningCLI):
    """Reads an experiment, runs a verb, sums up."""

    def __init__(self, *args: Any, callbacks: Sequence[Callback] = (), **kwargs: Any) -> None:
        self.callbacks = callbacks
        self.verb = kwargs["args"][0]
        super().__init__(*args, **kwargs)

    def subcommands(self) -> dict[str, set[str]]:  # type: ignore[override]  # asked of an instance
        """The one verb that is run: a parser of all takes as long as everything else before it."""
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
        """What every experiment has beside model, data and trainer."""
        parser.add_argument("--name", default="experiment", help="names the folder of results")
        parser.add_argument(
            "--trust",
            action="store_true",
            help="let --ckpt_path name classes of other packages, which runs their code",
        )
        parser.add_lightning_class_args(BestCheckpoint, "checkpoint")
        parser.add_lightning_class_args(
            LatestCheckpoint, "last"
        )  # after the best, so that it knows of it
        parser.add_lightning_class_args(Pictures, "pictures")
        parser.set_defaults(
            {
                "checkpoint.monitor": "val/angular_error",
                "checkpoint.mode": "min",
                "checkpoint.filename": "best",
                "checkpoint.enable_version_counter": False,
            }
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Look at the checkpoint before Lightning takes the method's arguments from it.

        Lightning hands them to the parser, which imports and calls what they name.
        """
        super().parse_arguments(parser, args)
        verb = self.config.subcommand
        config = self.config[verb]
        trust = config.pop("trust")  # said anew each time, and no part of what a run is
        path = config.ckpt_path
        if path is None and verb != "fit":
            raise NirganError(
                f"--ckpt_path is missing; `fit` leaves one in {config.trainer.default_root_dir}/"
                f"{config.name}/version_N/checkpoints/best.ckpt"
            )
        if path == "last":
            path = config.ckpt_path = _last(config)
        if path is not None and not Path(path).is_file():
            raise NirganError(f"--ckpt_path {path}: no such file")
        if config.weights_only is False:
            raise NirganError("--weights_only false: a checkpoint could run any code; leave it out")
        if path is not None:
            checkpoint = load_checkpoint(Path(path), mmap=True)
            own = trust or strings_of(to_plain(config.model.as_dict() if config.model else None))
            check_hyperparameters(checkpoint, Path(path), own, TRUST_REMEDY)
        self.method = _method(config.model)
        self.given = to_plain(config.model.as_dict()) if config.model else {}

    def before_instantiate_classes(self) -> None:
        """Look at the checkpoint's method; a history on disk, whatever other logger there is."""
        config = self.config[self.subcommand]
        if (found := _method(config.model)) != self.method:  # the checkpoint's has taken its place
            raise NirganError(
                f"--ckpt_path {config.ckpt_path}: holds {found}, but the configuration says "
                f"{self.method}; give the one that it was trained with"
            )
        if path := config.ckpt_path:
            name_overridden(path, self.given, to_plain(config.model.as_dict()))
        given = config.trainer.logger
        if given is False:
            return
        run = Namespace(save_dir=config.trainer.default_root_dir, name=config.name)  # type: ignore[no-untyped-call]
        history = Namespace(class_path=_path(HistoryLogger), init_args=run)  # type: ignore[no-untyped-call]
        loggers = [history]
        if isinstance(given, list):
            loggers += given
        elif given not in (None, True):
            loggers.append(given)
        for logger in loggers[1:]:
            if logger.class_path.rpartition(".")[2] == "WandbLogger":
                _use_offline_fallback(logger, config.trainer.default_root_dir)
        config.trainer.logger = loggers

    def instantiate_classes(self) -> None:
        """Build model, data and trainer; a value that a constructor refuses is one line."""
        resumed = self.config[self.subcommand].ckpt_path is not None
        try:
            with skip_pretrained() if resumed else nullcontext():
                super().instantiate_classes()
        except (TypeError, ValueError) as error:
            raise NirganError(explain(str(error), self.parser)) from error

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer, with what counts, watches, writes and lets a run go on."""
        watching: list[Callback] = [
            DistributedTeardown(),
            DataIntegrity(),
            NonFiniteGuard(),
            Collapse(),
        ]
        counting: list[Callback] = [Throughput(), PredictionWriter()]
        going_on: list[Callback] = [StepSeeding(), BroadcastBuffers(), History(), Preemption()]
        # Those handed over stand in place of the configuration's, which Lightning leaves out.
        given = self._get(self.config_init, "trainer").callbacks or []
        given = given if isinstance(given, list) else [given]
        own = [*watching, *counting, *going_on, *self.callbacks]
        trainer = super().instantiate_trainer(callbacks=[*own, *given], **kwargs)
        trainer.strategy.checkpoint_io = AtomicCheckpointIO()
        for logger in trainer.loggers:
            _ = logger.version  # claims the run's folder, before pictures are decoded
        # Lightning's own handlers talk to the other ranks in the middle of anything, end with
        # status 0, and under SLURM leave states where every other experiment would go on from them.
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        return trainer

    def after_fit(self) -> None:
        """Judge the best checkpoint."""
        if best := self._get(self.config_init, "checkpoint").best_model_path:
            self.model.load_state_dict(load_checkpoint(Path(best))["state_dict"])
        self._summarize(whole=False)
        rank_zero_info(NEXT_STEPS)

    def after_validate(self) -> None:
        """The table over validation patches."""
        self._summarize(whole=False)

    def after_test(self) -> None:
        """The table over whole validation regions."""
        self._summarize(whole=True)

    def _summarize(self, *, whole: bool) -> None:
        name = self.config[self.subcommand].name
        summarize(self.trainer, self.model, self.datamodule, name, whole=whole)


class FitOnly(ExperimentCLI):
    """Leaves judging to the caller."""

    def after_fit(self) -> None:
        """Nothing."""


class ParseOnly(ExperimentCLI):
    """Reads an experiment, and nothing else."""

    def before_instantiate_classes(self) -> None:
        """The configuration stays as a person wrote it."""

    def instantiate_classes(self) -> None:
        """Nothing is built."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Nothing is run."""


def _method(model: Namespace | None) -> str:
    """The task of a configuration, and its generator."""
    if model is None:
        return ""
    generator = model.init_args.get("generator")
    return " of ".join(p.class_path.rpartition(".")[2] for p in (model, generator) if p)


def _last(config: Namespace) -> str:
    """The newest whole checkpoint of an experiment's runs."""
    runs = Path(config.trainer.default_root_dir) / config.name
    newest = newest_complete(runs.glob("version_*/checkpoints/*.ckpt"))
    if newest is None:
        raise NirganError(
            f"--ckpt_path last: no whole checkpoint in {runs}/version_N/checkpoints; "
            "name one, or leave the option out"
        )
    rank_zero_info(f"--ckpt_path last is {newest}")
    return str(newest)


def _use_offline_fallback(logger: Namespace, save_dir: str) -> None:
    """Weights & Biases beside the run, without a way to end it."""
    if find_spec("wandb") is None:
        raise NirganError(
            "trainer.logger: WandbLogger needs wandb, which is not installed; "
            "python -m pip install wandb, or leave the logger out"
        )
    logger.class_path = _path(OfflineFallbackWandbLogger)
    if logger.init_args.save_dir == ".":  # the default
        logger.init_args.save_dir = save_dir


def _path(class_: type) -> str:
    return f"{class_.__module__}.{class_.__qualname__}"
