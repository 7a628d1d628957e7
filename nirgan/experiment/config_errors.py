"""One line for what a person got wrong on the command line or in a configuration.

The parser's own messages name everything that it tried. Here the innermost reason is picked out,
with the key as a person would write it, and the nearest right name for a wrong one.
"""

import inspect
import pkgutil
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from traceback import extract_tb
from types import MappingProxyType
from typing import NoReturn

import yaml
from jsonargparse import ArgumentParser, Namespace

from nirgan.errors import NirganError
from nirgan.utils.config_files import options_of, read_utf8, use_other_names, use_utf8
from nirgan.utils.nearest_name import did_you_mean
from nirgan.utils.paths import SHIPPED, resolve_shipped

use_utf8()
use_other_names()

NO_CONFIG = (
    "; give a configuration with --config; conf/ holds some, conf/quickstart.yaml for instance"
)
NO_KEY = "{at}no key {wrong!r}{hint}"
WRONG_TYPE = "{at}expected {kinds}, got {got}"
REASONS = (
    (r"unrecognized arguments: ([^-\s]\S*)", "{0!r} is no option; options begin with --"),
    (r"unrecognized arguments: --?([^=\s]+)", NO_KEY),
    (r"Subcommand '[^']+' does not accept option '([^']+)'", NO_KEY),
    (r"Group '([^']+)' does not accept (?:option|nested key) '([^']+)'", NO_KEY),
    (r"(?:Option|Key) '([^']+)' is not (?:expected|accepted)", NO_KEY),
    (r"module '([^']+)' has no attribute '([^']+)'", "{at}no class or module '{0}.{1}'{hint}"),
    (r"No module named '([^']+)'", "{at}no module {0!r}; is it spelt right, and installed?"),
    (
        r"(?:Expected a path but|Unable to load config) ['\"]?((?:[^'\"\s]*/)?([^'\"\s/]+\.ya?ml))",
        "{0}: not there, or no part; in a file, paths are relative to it{hint}",
    ),
    (r"Unable to load config ['\"]?([^'\"\n]+)", "{at}{0!r} is neither keys nor a YAML file"),
    (
        r"does not correspond to a subclass of (\w+)",
        "{at}expected a class derived from {0}, got {got}",
    ),
    (r"Expected a <class '(?:int|float)'>", WRONG_TYPE),
    (
        r"Expected a dot import path string: (\S+)",
        "{at}no class {0!r}{hint}; or give its import path",
    ),
    (r"argument (--?[\w.-]+): expected one argument", "{0} needs a value"),
    (r"arguments are required: (.+)", "{at}{0} missing{remedy}"),
    (r"surrogates not allowed", "{at}a name that is not UTF-8; give another, or rename it"),
    (r"Errors:\n\s+- ((?!Expected|Parser key|Problem|Does not).+)", "{0}"),
    (r"Expected an? ", WRONG_TYPE),
)
"""What to look for in a message, most telling first, and what to say of it."""

LIBRARIES = ("<frozen", sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))
"""Beginnings of paths of files that are not the user's."""

PARSING = ("config_errors.py", "config_files.py", "lightning_cli.py")
"""Modules that call the parser."""

VERB = r"(?:^|(?<=, ))(?:fit|validate|test|predict)\.(?!ya?ml$)"
"""The verb before a required key, which users do not write."""

GOT = r"(?:Got value: |Given value: (?:NestedArg\(key='[^']*', val=)?)(.*?)\)?$"
"""The given value; the innermost comes first."""


class MisconfiguredError(Exception):
    """A parser's error; those of the parsers within it, for classes that are named, caused it."""

    def __init__(self, message: str, parser: ArgumentParser) -> None:
        super().__init__(message)
        self.parser = parser


class VerbParser(ArgumentParser):
    """A parser that raises `MisconfiguredError`, and prints no usage."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise `MisconfiguredError`."""
        raise MisconfiguredError(message, self) from ex


def add_trust(parser: ArgumentParser, what: str) -> None:
    """Add `--trust`, without which nothing that may run code is imported."""
    about = f"let {what} name classes of other packages, which runs their code"
    parser.add_argument("--trust", action="store_true", help=about)


def explain(error: Exception, parser: ArgumentParser) -> str:
    """The reason in the error of a verb's parser, in one line.

    Misspelt keys are compared with those of the parser within it that has raised the first error.
    """
    if fault := _error_in_code(error):
        return fault
    message = str(error)
    for pattern, reason in REASONS:
        if found := re.search(pattern, message):
            words = [re.sub(VERB, "", word) for word in found.groups()]
            wrong = ".".join(words if reason is NO_KEY else words[-1:])
            key = _key(message).removesuffix(f".{wrong}")
            parts = {
                "at": f"{key}: " if key else "",
                "wrong": wrong,
                "hint": did_you_mean(wrong, _names(message, words, _first_parser(error, parser)))
                if wrong
                else "",
                "kinds": " or ".join(_kinds(message)) or "another type",
                "got": got[1] if (got := re.search(GOT, message, re.MULTILINE)) else "another",
                "remedy": "" if key else NO_CONFIG if "config" in _keys(parser) else ", see --help",
            }
            return " ".join(reason.format(*words, **parts).split())
    lines = [line for text in message.splitlines() if (line := text.strip(" -"))]
    # One that ends in a colon only says where: the reason is in the next.
    most = next((n for n, line in enumerate(lines) if not line.endswith(":")), 0)
    return " ".join(lines[: most + 1]) or message


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Parse a verb's arguments and build what they name; a mistake in them is one line.

    Raises:
        NirganError: They cannot be used.
    """
    arguments = [resolve_shipped(word) for word in arguments]
    check_files(arguments)
    try:
        options: Namespace = parser.instantiate(parser.parse_args(arguments))
        return options
    except NirganError:
        raise
    except Exception as error:
        raise NirganError(explain(error, parser)) from error


def check_files(arguments: Iterable[str], parts: Mapping[str, str] = MappingProxyType({})) -> None:
    """Look at every configuration file before the parser does, which names neither file nor line.

    They are UTF-8, whatever the system's own coding is. `parts` are keys that only a part of an
    experiment has at its top, and the option for it.

    Raises:
        NirganError: A file is missing, or is not YAML in UTF-8.
    """
    words = iter(arguments)
    for word in words:
        option, _, value = word.partition("=")
        if option in ("--config", "-c"):
            given = value or next(words, "")
            path = Path(given)
            if not given or given.startswith("-"):
                raise NirganError(f"{option} needs a value, the path of a YAML file")
            if path.is_dir():
                raise NirganError(f"{path}: a folder; give a file, {path}/NAME.yaml")
            if not path.is_file():
                raise NirganError(f"{path}: no such file{did_you_mean(path.name, _files(path))}")
            try:
                content = yaml.safe_load(read_utf8(path))
            except yaml.YAMLError as error:
                mark = getattr(error, "problem_mark", None)
                where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
                why = getattr(error, "problem", None) or error
                raise NirganError(f"{path}{where}: not YAML ({why})") from error
            if not isinstance(content, dict):
                raise NirganError(f"{path}: expected keys such as model:, data: and trainer:")
            for key in parts.keys() & content.keys():
                raise NirganError(
                    f"{path}: a part of an experiment; give it as {parts[key]} {path}, or name it "
                    "in an experiment as those in conf/ do"
                )


def _key(message: str) -> str:
    """The key of a mistake, joined from nested parsers."""
    keys = list(dict.fromkeys(re.findall(r'Parser key "([^"]+)"', message)))
    if keys and (nested := re.findall(r"NestedArg\(key='([^']+)'", message)):
        keys[1:] = [nested[-1]]
    return ".".join(keys)


def _kinds(message: str) -> Iterable[str]:
    """The expected types and values."""
    kinds = re.findall(r"Expected an? (?!path but|dot import)(.+?)(?:\. Got|$)", message, re.M)
    kinds = [re.sub(r"<class '(?:[\w.]*\.)?(\w+)'>", r"\1", kind) for kind in kinds]
    kinds = [re.sub(r"typing\.Literal\[(.*)\]", r"one of \1", kind) for kind in kinds]
    kinds = [re.sub(r"(?:[A-Za-z_]\w*\.)+(\w+)", r"\1", kind) for kind in kinds]
    return dict.fromkeys(k.replace("Sequence", "a list") for k in kinds if k != "NoneType")


def _error_in_code(error: BaseException) -> str:
    """The line at which a class fails to be imported or built; empty if it refuses its values."""
    while not isinstance(error, NirganError) and (cause := error.__cause__ or error.__context__):
        error = cause
    if isinstance(error, NirganError | ValueError):
        return ""
    places = [f for f in extract_tb(error.__traceback__) if not f.filename.startswith(LIBRARIES)]
    if not places or places[-1].filename.endswith(PARSING):
        return ""
    at = places[-1]
    return f"{at.filename}, line {at.lineno}: {type(error).__name__}: {error}"


def _first_parser(error: BaseException | None, parser: ArgumentParser) -> ArgumentParser:
    """The parser whose error caused all others."""
    while error is not None:
        parser = error.parser if isinstance(error, MisconfiguredError) else parser
        error = error.__cause__ or error.__context__
    return parser


def _names(message: str, words: Sequence[str], parser: ArgumentParser) -> set[str]:
    """Valid names, for suggestions."""
    if words[-1].endswith((".yaml", ".yml")):
        return _files(Path(words[0]))
    if "has no attribute" in message:
        module = sys.modules.get(words[0])
        own = {n for n, v in getattr(module, "__dict__", {}).items() if inspect.isclass(v)}
        return own | {info.name for info in pkgutil.iter_modules(getattr(module, "__path__", []))}
    keys = set(_keys(parser))
    if "dot import" not in message:
        return keys
    choices = re.findall(r"'([^']+)'", " ".join(re.findall(r"Literal\[(.*)\]", message)))
    packages = ("nirgan.", "torch.optim.", "lightning.pytorch.loggers")
    classes = {
        name
        for module in [m for name, m in sys.modules.items() if name.startswith(packages)]
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__.startswith(packages)
    }
    return keys | classes | {*choices, "class_path", "init_args"}


def _files(path: Path) -> set[str]:
    folders = [path.parent, Path("conf", path.parent), *(root / path.parent for root in SHIPPED)]
    return {file.name for folder in folders if folder.is_dir() for file in folder.iterdir()}


def _keys(parser: ArgumentParser) -> Iterator[str]:
    for option in options_of(parser):
        if option.startswith("--") and not option.endswith(("+", "help")):
            yield option.removeprefix("--")
