"""The trials of a sweep in a database that any number of processes and machines share.

A sweep has a fixed number of slots, each to be filled by one finished trial. A trial that was
interrupted or has failed leaves its slot to another one with the same values. Optuna chooses the
values, keeps the trials and decides which are not worth going on with.
"""

import copy
import json
import time
import warnings
from dataclasses import asdict

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.exceptions import DuplicatedStudyError, ExperimentalWarning
from optuna.pruners import BasePruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import DatabaseError

from nirgan.errors import NirganError
from nirgan.sweeps.file import Choice, Range, Sweep, Value

SLOT, SWEEP, FILLED = "slot", "sweep", "slots"
"""Keys of user attributes: a trial's slot, a study's definition and its number of slots."""

HEARTBEAT_S, GRACE_S = 10, 40
"""Seconds between heartbeats of a trial, and without one until it counts as dead."""

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
DONE = (*ENDED, TrialState.FAIL)
ORDER = [TrialState[name] for name in ("FAIL", "WAITING", "RUNNING", "PRUNED", "COMPLETE")]
"""States of trials; of a slot's several trials, the one of the last state counts."""


def open_study(sweep: Sweep, url: str, slots: int) -> Study:
    """The study of a sweep, made where there is none, with that many slots or more.

    Raises:
        NirganError: The database cannot be used, or holds another sweep of this name.
    """
    warnings.filterwarnings("ignore", category=ExperimentalWarning)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    definition = json.loads(json.dumps(asdict(sweep) | {"file": "", "run_cap": None}))
    name, storage = sweep.file.stem, _storage(url)
    direction = StudyDirection.MAXIMIZE if sweep.maximize else StudyDirection.MINIMIZE
    try:
        study = optuna.create_study(study_name=name, storage=storage, direction=direction)
    except DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=storage)
        _wait_until_filled(study)
        if study.user_attrs[SWEEP] != definition:
            raise NirganError(
                f"{url} holds trials of another sweep, or another state of {sweep.file}; "
                "give --out or --storage another place"
            ) from None
    else:
        study.set_user_attr(SWEEP, definition)
    study.pruner = _pruner(sweep)
    grid = sweep.grid() if sweep.method == "grid" else []
    for slot in range(study.user_attrs.get(FILLED, 0), slots):
        study.enqueue_trial(grid[slot] if grid else {}, user_attrs={SLOT: slot})
    study.set_user_attr(FILLED, max(slots, study.user_attrs.get(FILLED, 0)))
    return study


def requeue_failed(study: Study) -> None:
    """Queue a new trial for every slot whose trials have failed."""
    for slot, trial in slots_of(study).items():
        if trial.state is TrialState.FAIL:
            # The values that it was queued with, in case it failed before it read them.
            given = trial.system_attrs.get("fixed_params", {})
            study.enqueue_trial(given | trial.params, user_attrs={SLOT: slot})


def slots_of(study: Study) -> dict[int, FrozenTrial]:
    """The trial of each slot that has come furthest, the newest of several, by slot."""
    trials = [t for t in study.get_trials(deepcopy=False) if SLOT in t.user_attrs]
    trials.sort(key=lambda trial: ORDER.index(trial.state))
    last = {trial.user_attrs[SLOT]: trial for trial in trials}
    return dict(sorted(last.items()))


def numbered_by_slot(study: Study) -> Study:
    """The trials of `slots_of` alone, in memory, as Optuna's pictures and statistics take them.

    A trial's number is its slot; lists among the values, which they do not take, are text.
    """
    trials = [copy.deepcopy(trial) for trial in slots_of(study).values()]
    for trial in trials:
        for name, space in trial.distributions.items():
            choices = getattr(space, "choices", ())
            if any(isinstance(choice, list) for choice in choices):
                trial.distributions[name] = CategoricalDistribution([str(c) for c in choices])
                trial.params[name] = str(trial.params[name])
    found = optuna.create_study(direction=study.direction)
    found.add_trials(trials)
    return found


def claim(study: Study, trial: Trial) -> int | None:
    """The slot that a trial is to fill; None where another one has it."""
    slot = trial.user_attrs.get(SLOT)
    if slot is None:  # somebody else took the last one of the queue at the same moment
        return None
    for other in study.get_trials(deepcopy=False):
        if other.user_attrs.get(SLOT) == slot and other.number != trial.number:
            running = other.state is TrialState.RUNNING and other.number < trial.number
            if running or other.state in ENDED:
                return None
    return int(slot)


def suggest(sweep: Sweep, trial: Trial, seed: int, slot: int) -> dict[str, Value]:
    """The values of a trial, by parameter; random ones are a function of seed and slot."""
    of_slot = seed + 1_000_003 * slot
    if sweep.method == "bayes":  # running trials of other workers count too
        trial.study.sampler = TPESampler(seed=of_slot, constant_liar=True)
    else:
        trial.study.sampler = RandomSampler(seed=of_slot)
    return {name: _suggest(trial, name, space) for name, space in sweep.parameters.items()}


def _suggest(trial: Trial, name: str, space: Choice | Range) -> Value:
    if isinstance(space, Choice):
        value: Value = trial.suggest_categorical(name, space.values)
        return value
    if space.whole:
        return trial.suggest_int(name, int(space.low), int(space.high))
    return trial.suggest_float(name, space.low, space.high, log=space.log)


def _storage(url: str) -> RDBStorage:
    try:
        try:
            return _connect(url)
        except DatabaseError:
            time.sleep(1)  # another process may be making the tables at this moment
            return _connect(url)
    except ImportError as error:
        raise NirganError(
            f"--storage {url}: its driver is not installed; for postgresql+psycopg://, "
            "pip install 'psycopg[binary]'"
        ) from error
    except Exception as error:  # SQLAlchemy's own kinds, and those of each database
        why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise NirganError(f"--storage {url}: cannot be opened ({why})") from error


def _connect(url: str) -> RDBStorage:
    waits = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {}
    return RDBStorage(
        url,
        engine_kwargs=waits | {"pool_pre_ping": True},
        heartbeat_interval=HEARTBEAT_S,
        grace_period=GRACE_S,
        heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(
            max_retry=3, inherit_intermediate_values=True
        ),
    )


def _wait_until_filled(study: Study) -> None:
    """Wait for the process that has just created the study to queue its trials."""
    until = time.monotonic() + 60
    while FILLED not in study.user_attrs:
        if time.monotonic() > until:
            raise NirganError(
                f"the study {study.study_name!r} was never filled with trials; delete it, or give "
                "--out or --storage another place"
            )
        time.sleep(0.2)


def _pruner(sweep: Sweep) -> BasePruner:
    if (hyperband := sweep.hyperband) is None:
        return NopPruner()
    # As W&B, every run stands against all others; Optuna's own Hyperband divides them into groups,
    # some of which never stop early.
    return SuccessiveHalvingPruner(min_resource=hyperband.first, reduction_factor=hyperband.eta)
