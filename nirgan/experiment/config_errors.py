"""One line for what a person got wrong on the command line or in a configuration.

The parser's own messages name everything that it tried. Here the one reason is picked out, with the
whole key as a person would write it, and the nearest right name for a wrong one.
"""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace

from nirgan.errors import NirganError
from nirgan.utils.config_files import read_utf8, use_former_paths, use_utf8
from nirgan.utils.nearest_name import did_you_mean
from nirgan.utils.paths import SHIPPED, resolve_shipped

use_utf8()
use_former_paths()

EXAMPLE = "give one with --config; conf/ holds some, conf/quickstart.yaml for instance"


def explain(message: str, parser: ArgumentParser) -> str:
    """The reason in a parser's message, in one line.

    Args:
        message: Of jsonargparse, as long as it may be.
        parser: The one that raised it; its keys are what misspelt ones are compared with.
    """
    for pattern, reason in REASONS:
        if found := re.search(pattern, message):
            return " ".join(reason(found, message, parser).split())
    lines = [line for text in message.splitlines() if (line := text.strip(" -"))]
    # One that ends in a colon only says where: the reason is in the next.
    most = next((n for n, line in enumerate(lines) if not line.endswith(":")), 0)
    return " ".join(lines[: most + 1]) or message


def parse(parser: ArgumentParser, arguments: Sequence[str]) -> Namespace:
    """Parse a verb's arguments and build what they name; a mistake in them is one line.

    Args:
        parser: Made with `exit_on_error=False`.
        arguments: The verb's.

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
        raise NirganError(explain(str(error), parser)) from error


def check_files(arguments: Iterable[str], parts: Mapping[str, str] = MappingProxyType({})) -> None:
    """Look at every configuration file before the parser does, which names neither file nor line.

    They are UTF-8, whatever the system's own coding is.

    Args:
        arguments: Of the command line.
        parts: Keys that only a part of an experiment has at its top, and the option for it.

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
                raise NirganError(f"{path}: no such file{_nearest_file(path)}")
            try:
                content = yaml.safe_load(read_utf8(path))
            except yaml.YAMLError as error:
                mark = getattr(error, "problem_mark", None)
                where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
                raise NirganError(
                    f"{path}{where}: not YAML ({getattr(error, 'problem', None) or error})"
                ) from error
            if not isinstance(content, dict):
                raise NirganError(f"{path}: expected keys such as model:, data: and trainer:")
            for key in parts.keys() & content.keys():
                raise NirganError(
                    f"{path}: a part of an experiment; give it as {parts[key]} {path}, or name it "
                    "in an experiment as those in conf/ do"
                )


def _unknown_options(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    words = found[1].split()
    word = next((w for w in words if w.startswith("-")), words[0])
    if not word.startswith("-"):
        return f"{word!r} is no option; options begin with --"
    return _unknown(word.lstrip("-").partition("=")[0], parser)


def _unknown_in_group(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    return _unknown(f"{found[1]}.{found[2]}", parser)


def _unknown_in_class(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    name = found[1]
    key = _path_to(name, message)
    return f"no key {key!r}{did_you_mean(name, _parameters())}"


def _unknown(key: str, parser: ArgumentParser) -> str:
    known = set(_keys(parser))
    ends = {k.rpartition(".")[2]: k for k in known}
    hint = did_you_mean(key, known)
    if not hint.startswith("; did") and (close := ends.get(key.rpartition(".")[2])):
        hint = f"; did you mean {close!r}?"
    return f"no key {key!r}{hint if hint.startswith('; did') else ''}"


def _no_attribute(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    module, name = found[1], found[2]
    given = re.search(r"class_path '([^']+)'", message)
    return f"no class {given[1] if given else f'{module}.{name}'!r}{did_you_mean(name, _names_in(module))}"


def _no_class(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    if re.search(r"Expected a <class '(?:int|float)'>", message):
        return _wrong_type(found, message, parser)
    words = set(re.findall(r"'([^']+)'", " ".join(re.findall(r"Literal\[(.*)\]", message))))
    hint = did_you_mean(found[1], words | _classes())
    return f"{_given_key(message)}: no class {found[1]!r}{hint}; or give its import path"


def _no_module(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    return f"no module {found[1]!r}; is it spelt right, and installed?"


def _wrong_type(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    key = _given_key(message)
    kinds = dict.fromkeys(
        _plain(kind)
        for kind in re.findall(r"Expected an? (.+?)(?:\. Got|\n|$)", message)
        if not kind.startswith(("path but", "dot import path"))
    )
    kinds.pop("nothing", None)
    got = re.search(r"Given value: NestedArg\(key='[^']*', val=(.*)\)", message)
    got = got or re.search(r"Got value: (.*)", message) or re.search(r"Given value: (.*)", message)
    if not kinds:
        return f"{key}: incomplete or of the wrong type; {EXAMPLE}"
    return f"{key}: expected {' or '.join(kinds)}, got {got[1] if got else 'something else'}"


def _plain(kind: str) -> str:
    kind = re.sub(r"<class '(?:[\w.]*\.)?(\w+)'>", r"\1", kind)
    kind = re.sub(r"typing\.Literal\[(.*)\]", r"one of \1", kind)
    kind = re.sub(r"(?:[A-Za-z_]\w*\.)+(\w+)", r"\1", kind)
    return {"NoneType": "nothing", "Sequence": "a list"}.get(kind, kind)


def _given_key(message: str) -> str:
    """The whole key: those of nested parsers joined, without what a person doesn't write."""
    keys = re.findall(r'Parser key "([^"]+)"', message)
    nested = re.findall(r"NestedArg\(key='([^']+)'", message)
    if keys and nested:
        return f"{keys[0]}.{nested[-1]}"
    return ".".join(dict.fromkeys(keys)) or "configuration"


def _path_to(name: str, message: str) -> str:
    keys = re.findall(r'Parser key "([^"]+)"', message)
    nested = re.findall(r"NestedArg\(key='([^']+)'", message)
    if nested:
        return f"{keys[0]}.{nested[-1]}" if keys else nested[-1]
    for given in reversed(re.findall(r"Given value: ([{\[].*)", message)):
        try:
            path = next(_paths(ast.literal_eval(given), name), None)
        except (ValueError, SyntaxError):
            continue
        if path and keys:
            return ".".join([keys[0], *(step for step in path if step != "init_args")])
    return name


def _paths(value: Any, name: str) -> Iterator[list[str]]:
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in items:
        if key == name:
            yield [name]
        yield from ([str(key), *path] for path in _paths(inner, name))


def _no_part(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    path = Path(found[1])
    why = "not a part" if path.is_file() else "no such part; in a file, paths are relative to it"
    return f"{path}: {why}{_nearest_file(path)}"


def _nearest_file(path: Path) -> str:
    folders = [path.parent, Path("conf", path.parent), *(root / path.parent for root in SHIPPED)]
    return did_you_mean(
        path.name, [file.name for f in folders if f.is_dir() for file in f.iterdir()]
    )


def _missing(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    names = re.sub(r"\b(?:fit|validate|test|predict)\.", "", found[1])
    if key := re.search(r'Parser key "', message) and _given_key(message):
        return f"{key}: {names} missing"
    takes_files = any("--config" in action.option_strings for action in parser._actions)
    return f"{names} not configured; {EXAMPLE}" if takes_files else f"{names} missing, see --help"


def _no_value(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    return f"{found[1]} needs a value"


def _not_utf8(found: re.Match[str], message: str, parser: ArgumentParser) -> str:
    return f"{_given_key(message)}: a name that is not UTF-8; give another, or rename it"


def _keys(parser: ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        for inner in getattr(action, "_name_parser_map", {}).values():  # a verb's own
            yield from _keys(inner)
        for option in action.option_strings:
            if option.startswith("--"):
                yield option.removeprefix("--")


def _subclasses(base: type) -> Iterator[type]:
    classes: list[type] = base.__subclasses__()
    for cls in classes:
        yield cls
        yield from _subclasses(cls)


def _classes() -> set[str]:
    from lightning.pytorch import Callback, LightningModule  # noqa: PLC0415 (only after a mistake)
    from lightning.pytorch.loggers import Logger, WandbLogger  # noqa: F401, PLC0415
    from torch import optim  # noqa: PLC0415

    from nirgan.data.sources.base import PairSource  # noqa: PLC0415

    bases: tuple[type, ...] = (PairSource, LightningModule, Logger, Callback)
    bases += (optim.Optimizer, optim.lr_scheduler.LRScheduler)
    return {cls.__name__ for base in bases for cls in _subclasses(base)}


def _parameters() -> set[str]:
    """Names of constructor arguments: nirgan's own classes, and torch's optimizers."""
    from torch import nn, optim  # noqa: PLC0415 (only after a mistake)

    from nirgan.data import datamodule  # noqa: PLC0415
    from nirgan.data.sources.base import PairSource  # noqa: PLC0415
    from nirgan.tasks import adversarial, training  # noqa: PLC0415

    classes: list[type] = [datamodule.Noise, training.WeightedLoss, adversarial.WeightRegularizer]
    classes += _subclasses(PairSource)
    classes += [c for c in _subclasses(nn.Module) if c.__module__.startswith("nirgan")]
    classes += [optim.Adam, optim.SGD]
    names = {name for cls in classes for name in inspect.signature(cls).parameters}
    return names | {"class_path", "init_args"}


def _names_in(module: str) -> set[str]:
    try:
        found = importlib.import_module(module)
    except ImportError:
        return set()
    inner = {info.name for info in pkgutil.iter_modules(getattr(found, "__path__", []))}
    own = {n for n, v in vars(found).items() if inspect.isclass(v)}
    return inner | own


REASONS = (
    (r"unrecognized arguments: (.+)", _unknown_options),
    (r"Subcommand '\w+' does not accept option '([^']+)'", lambda f, m, p: _unknown(f[1], p)),
    (r"Group '([^']+)' does not accept option '([^']+)'", _unknown_in_group),
    (r"Group '([^']+)' does not accept nested key '([^']+)'", _unknown_in_group),
    (r"Option '([^']+)' is not accepted", _unknown_in_class),
    (r"Key '([^']+)' is not (?:expected|accepted)", lambda f, m, p: _unknown(f[1], p)),
    (r"module '([^']+)' has no attribute '([^']+)'", _no_attribute),
    (r"Expected a dot import path string: (\S+)", _no_class),
    (r"No module named '([^']+)'", _no_module),
    (r"Expected a path but (\S+\.ya?ml) either not accessible", _no_part),
    (r"Unable to load config ['\"]([^'\"]+)['\"]", _no_part),
    (r"argument (--?[\w.-]+): expected one argument", _no_value),
    (r"arguments are required: (.+)", _missing),
    (r"surrogates not allowed", _not_utf8),
    (r"Errors:\n\s+- ((?!Expected|Parser key|Problem|Does not).+)", lambda f, m, p: f[1]),
    (r"Expected an? ", _wrong_type),
)
"""What to look for in a message, most telling first, and what to make of it."""
