"""Defines what a benchmark compares: a suite, and its runs."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import Path_fr

from nirgan.data.protocols import FOLDS, SplitProtocol
from nirgan.errors import NirganError
from nirgan.networks.generators import baselines
from nirgan.utils.nearest_name import did_you_mean
from nirgan.utils.paths import relative_path
from nirgan.utils.renamed import with_oldest_paths


@dataclass
class Method:
    """One row of the tables.

    Attributes:
        model: A part as in `conf/model`, or the class path of a task.
        options: Further options of `fit`, as on the command line.
        published: Angular error in degrees that a publication reports, by category.
        one_pass: Fitted in closed form: no budget, no seeds.
    """

    model: Path_fr | str
    options: list[str] = field(default_factory=list)
    published: dict[str, float] = field(default_factory=dict)
    one_pass: bool = False


@dataclass
class Budget:
    """What a run may use, one of the two.

    Attributes:
        patches: Training patches of a run and category; the paper's are 250,000.
        minutes: Training time of a run. Which patches it comes to depends on the machine.
    """

    patches: int | None = None
    minutes: float | None = None

    def __str__(self) -> str:
        return f"{self.patches:,} patches" if self.patches else f"{self.minutes:g} minutes"


MAX_SEED = 2**32 - 1
"""The largest seed that Lightning accepts."""
CLOSED_FORM = "nirgan.tasks.closed_form.ClosedFormTask"
BASELINE_METHODS = {
    name: Method(
        CLOSED_FORM, [f"--model.generator={kind.__module__}.{kind.__name__}"], one_pass=True
    )
    for name, kind in baselines.BASELINES.items()
}
"""Methods that have a row in every table."""
GREY_ROW = next(iter(BASELINE_METHODS))


@dataclass(frozen=True)
class Run:
    """One method, trained once and judged on one split."""

    method: str  # its row
    category: str  # that it is trained on, or `all`
    protocol: SplitProtocol
    fold: int  # the one that is judged; 0 in `within-images`
    seed: int  # of initial weights, training patches and noise
    arguments: tuple[str, ...]  # of `python -m nirgan fit`
    configuration: dict[str, Any] = field(repr=False)  # of these, but for protocol, fold and seed
    one_pass: bool = False  # fitted in closed form

    @property
    def key(self) -> str:
        """Name of the run's folder; it changes with the configuration, not when a class moves."""
        fold = f"-fold{self.fold}" if self.protocol == "across-scenes" else ""
        what = json.dumps([self.configuration, self.protocol, self.fold, self.seed], sort_keys=True)
        digest = hashlib.sha256(with_oldest_paths(what).encode()).hexdigest()[:8]
        place = f"{self.category}/{self.protocol}{fold}/{slug(self.method)}"
        return f"{place}/seed{self.seed}-{digest}"

    def configured(self) -> dict[str, Any]:
        """The whole configuration of the run, with its protocol, fold and seed."""
        split = {"protocol": self.protocol, "fold": self.fold, "seed": self.seed}
        data = self.configuration["data"] | split
        return self.configuration | {"data": data, "seed_everything": self.seed}

    def __str__(self) -> str:
        fold = f" fold {self.fold}" if self.protocol == "across-scenes" else ""
        seed = "" if self.one_pass else f" seed {self.seed}"
        return f"{self.category} {self.protocol}{fold} {self.method}{seed}"


class Suite:
    """Everything that one benchmark compares.

    Args:
        methods: By the name of their row, in the order of tables and figures.
        data: A part as in `conf/data`.
        budget: Of every trained run.
        trainer: A part as in `conf/trainer`.
        categories: Of the data set, a table each; None: the whole data set in one.
        together: Whether one network is trained on all categories, and judged on each.
        protocols: A table each.
        folds: Those that `across-scenes` judges, each by a network of its own; `all` judges every
            scene once.
        seeds: A run each.
        fold_seeds: As `seeds`, for `across-scenes`; None: the same.
        validations: Points on the learning curve of a run, and checkpoints to go on from; with a
            budget of minutes there is one every `train_patches` of the data.
        compare: Pairs of methods whose difference is stated.
        save_outputs: Keep what every method made of every judged region, as float TIFF.

    Raises:
        NirganError: A name or number that cannot be.
    """

    def __init__(
        self,
        methods: dict[str, Method],
        data: Path_fr,
        budget: Budget,
        trainer: Path_fr | None = None,
        categories: list[str] | None = None,
        together: bool = False,
        protocols: Sequence[SplitProtocol] = ("within-images", "across-scenes"),
        folds: Literal["all"] | list[int] = "all",
        seeds: Sequence[int] = (0,),
        fold_seeds: Sequence[int] | None = None,
        validations: int = 10,
        compare: Sequence[tuple[str, str]] = (),
        save_outputs: bool = False,
    ) -> None:
        if (budget.patches is None) == (budget.minutes is None):
            raise NirganError(
                "budget: give one of budget.patches and budget.minutes, and set the other to null"
            )
        for name in (n for pair in compare for n in pair):
            if name not in {**methods, **BASELINE_METHODS}:
                raise NirganError(f"compare: no method {name!r}{did_you_mean(name, methods)}")
        slugs = [slug(name) for name in (*BASELINE_METHODS, *methods)]
        if taken := [name for name in methods if slugs.count(slug(name)) > 1]:
            raise NirganError(f"methods: another row is called {taken[0]!r} already; rename it")
        for name, value in vars(budget).items():
            if value is not None and value <= 0:
                raise NirganError(f"budget.{name} is {value}, expected more than 0")
        self.trained = methods
        self.methods = {**BASELINE_METHODS, **methods}
        self.data, self.trainer, self.budget = data, trainer, budget
        self.categories: list[str | None] = list(categories) if categories is not None else [None]
        self.together = together
        self.protocols = list(protocols)
        self.folds = list(range(FOLDS)) if folds == "all" else list(folds)
        self.seeds = list(seeds)
        self.fold_seeds = list(fold_seeds) if fold_seeds is not None else self.seeds
        self.validations, self.save_outputs = validations, save_outputs
        self.compare = [(first, second) for first, second in compare]
        for name in ("protocols", "categories", "folds", "seeds", "fold_seeds"):
            values = getattr(self, name)
            if not values or len(set(values)) < len(values):
                raise NirganError(f"{name} is {values}, expected one or more, each once")
        for name, most in (("folds", FOLDS - 1), ("seeds", MAX_SEED), ("fold_seeds", MAX_SEED)):
            if wrong := [number for number in getattr(self, name) if not 0 <= number <= most]:
                raise NirganError(f"{name} has {wrong[0]}, expected 0 to {most}")
        if validations < 1:
            raise NirganError(f"validations is {validations}, expected 1 or more")
        if budget.patches is not None and budget.patches < validations:
            raise NirganError(
                f"budget.patches is {budget.patches}, expected {validations} or more, as many as "
                "validations, before each of which a part of them is trained on"
            )

    def runs(self) -> list[Run]:
        """All runs, in the order that they are done.

        Those that take seconds come first and show whether every split can be judged; then a
        whole table with the first seed, then the others.
        """
        seeds = [*self.fold_seeds, *self.seeds]
        return sorted(self._runs(), key=lambda run: (not run.one_pass, seeds.index(run.seed)))

    def folds_of(self, protocol: SplitProtocol) -> list[int]:
        """The folds that a protocol judges."""
        return self.folds if protocol == "across-scenes" else [0]

    def seeds_of(self, protocol: SplitProtocol) -> list[int]:
        """The seeds that a protocol has runs for."""
        return self.fold_seeds if protocol == "across-scenes" else self.seeds

    def trained_on(self, category: str | None) -> str:
        """The category of the runs that a category's table is of, or `all`."""
        return "all" if self.together or category is None else category

    def judged_on(self, run: Run) -> list[str]:
        """The categories of the tables that a run is in, or `all`."""
        return [c for c in self.categories if c and self.trained_on(c) == run.category] or ["all"]

    def _runs(self) -> Iterator[Run]:
        from nirgan.experiment.lightning_cli import configuration  # noqa: PLC0415 (seconds of imports)

        resolved = {}
        names = [category for category in self.categories if category is not None]
        shared = {"all": names or None} if self.together or not names else {c: [c] for c in names}
        for (category, part), (name, method) in product(shared.items(), self.methods.items()):
            arguments = self._arguments(method, part)
            resolved[category, name] = arguments, configuration(arguments)
        splits = [(p, fold) for p in self.protocols for fold in self.folds_of(p)]
        for (protocol, fold), (category, name) in product(splits, resolved):
            arguments, config = resolved[category, name]
            seeds, one_pass = self.seeds_of(protocol), self.methods[name].one_pass
            for seed in seeds[:1] if one_pass else seeds:
                split = [f"--data.protocol={protocol}", f"--data.fold={fold}"]
                seeded = [f"--seed_everything={seed}", f"--data.seed={seed}"]
                own = (*arguments, *split, *seeded)
                yield Run(name, category, protocol, fold, seed, own, config, one_pass)

    def _arguments(self, method: Method, categories: Sequence[str] | None) -> list[str]:
        arguments = ["--name=fit", f"--model={_relative(method.model)}"]
        arguments += [f"--data={_relative(self.data)}"]
        if self.trainer is not None:
            arguments += [f"--trainer={_relative(self.trainer)}"]
        if categories is not None:
            arguments += [f"--data.source.categories=[{','.join(categories)}]"]
        arguments += ["--trainer.max_epochs=1"] if method.one_pass else self._budgeted()
        quiet = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
        figures = ["--pictures.patches=0", "--pictures.whole=false"]
        one = ["--trainer.devices=1", "--trainer.num_sanity_val_steps=0"]
        return [*arguments, *quiet, *figures, *one, *method.options]

    def _budgeted(self) -> list[str]:
        if self.budget.patches is not None:
            return [
                f"--data.train_patches={self.budget.patches // self.validations}",
                f"--trainer.max_epochs={self.validations}",
                "--trainer.max_time=null",
            ]
        seconds = math.ceil((self.budget.minutes or 0) * 60)
        days, rest = divmod(seconds, 86400)
        clock = f"{days:02}:{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
        return ["--trainer.max_epochs=-1", f"--trainer.max_time={clock}"]


def slug(name: str) -> str:
    """Format a name as part of a path."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _relative(path: Path_fr | str) -> str:
    if isinstance(path, str):
        if path.endswith((".yaml", ".yml")) and not Path(path).is_file():
            raise NirganError(f"{path}: no such file; paths are relative to the suite's")
        return path
    return relative_path(path.absolute)
