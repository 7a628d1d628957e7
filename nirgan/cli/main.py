"""The verbs of `python -m nirgan`.

Nothing heavy is imported before a verb is chosen, so that help appears at once.
"""

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from io import TextIOWrapper
from threading import current_thread, main_thread
from types import FrameType

from nirgan.errors import NirganError, printable_path
from nirgan.utils.nearest_name import did_you_mean

EXPERIMENTS = {
    "fit": "train a method as a configuration says, and judge it",
    "validate": "judge a trained method on the validation patches",
    "test": "judge a trained method on whole validation regions",
    "predict": "colorize the pictures of the validation set with a trained method",
}
TOOLS = {  # each a file beside this one
    "colorize": "make color of pictures, videos and GeoTIFFs",
    "demo": "a page in the browser that colorizes what is dropped on it",
    "export": "keep a model as safetensors, ONNX or torch.export",
    "benchmark": "train, judge and compare methods side by side",
    "sweep": "run a sweep file here, without an account or a network",
    "report": "put finished benchmarks side by side, on one page",
    "check": "look over a data set: unreadable, mismatched, misregistered",
    "download": "fetch the EPFL RGB-NIR scenes, or unpack a local copy",
}
VERBS = EXPERIMENTS | TOOLS
TRAINING_TOOLS = ("benchmark", "sweep")
"""Tools that save the state of trainings when a signal stops them."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb.

    Args:
        arguments: The verb and its own arguments; those of the process by default.

    Returns:
        The exit status: 0; 2 after a message about invalid input; 128 + the number of the signal
        that has stopped it (0 of `demo`, which ends so); the state of a training is saved.
    """
    verb, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if verb in ("-h", "--help", "--version"):
        print(_versions() if verb == "--version" else _help())
        return 0
    _configure_stdout("--print_config" in "".join(rest))
    try:
        if verb in EXPERIMENTS:
            from nirgan.experiment.lightning_cli import run  # noqa: PLC0415 (seconds of imports)

            run(verb, rest)
            return 0
        if verb in TOOLS:
            with nullcontext() if verb in TRAINING_TOOLS else _stopping_as_ctrl_c_does():
                return int(import_module(f"nirgan.cli.{verb}").main(rest) or 0)
        raise NirganError(f"no verb {verb!r}{did_you_mean(verb, VERBS)}")
    except NirganError as error:
        print(f"nirgan {verb}: {error}" if verb in VERBS else f"nirgan: {error}", file=sys.stderr)
        return error.status
    except OSError as error:
        if error.errno is None:  # a library's, not the system's
            raise
        where = f"{printable_path(error.filename)}: " if error.filename else ""
        print(f"nirgan {verb}: {where}{error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stopped:
        print(f"nirgan {verb}: interrupted", file=sys.stderr)
        return 128 + next((n for n in stopped.args if isinstance(n, int)), signal.SIGINT)


@contextmanager
def _stopping_as_ctrl_c_does() -> Iterator[None]:
    """Let SIGTERM and SIGHUP remove half-written files too, unless they are handled or ignored."""
    numbers = [getattr(signal, name, None) for name in ("SIGTERM", "SIGHUP")]  # not on Windows
    changed = [n for n in numbers if n is not None and signal.getsignal(n) == signal.SIG_DFL]
    if current_thread() is not main_thread():
        changed = []
    for number in changed:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


def _configure_stdout(config: bool) -> None:
    """Escape characters that the terminal cannot show; print configurations as UTF-8."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
        if config and not sys.stdout.isatty():
            sys.stdout.reconfigure(encoding="utf-8")


def _versions() -> str:
    from nirgan.evaluation.provenance import versions  # noqa: PLC0415 (seconds of imports)

    return versions()


def _help() -> str:
    width = max(map(len, VERBS))
    lines = "\n".join(f"  {verb:{width}}  {line}" for verb, line in VERBS.items())
    return (
        "Near-infrared pictures into color.\n\n"
        "usage: python -m nirgan VERB ...\n\n"
        f"{lines}\n\n"
        "python -m nirgan VERB --help tells the options of one, --version what is installed.\n"
        "Start with: python -m nirgan fit --config conf/quickstart.yaml"
    )
