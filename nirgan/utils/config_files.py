"""Changes to jsonargparse that need its private parts.

Configuration files are UTF-8 on every system, a later file adds losses by name, the file of a model
takes the place of another, and classes may be named by former paths.
"""

import io
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import IO, Any

import jsonargparse
import yaml
from jsonargparse import Namespace

from nirgan.errors import NirganError
from nirgan.utils.class_lookup import full_path
from nirgan.utils.renamed import FORMER_NAMES, current_path


def read_utf8(file: str | Path) -> str:
    """Read the text of a configuration.

    Raises:
        NirganError: It is not UTF-8.
        OSError: It cannot be read.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NirganError(f"{file}: not UTF-8 ({error.reason}); save it as UTF-8") from error


def _open(file: str, mode: str = "r") -> IO[Any]:
    """`open`, as jsonargparse calls it for its configurations."""
    if mode == "r":
        return io.StringIO(read_utf8(file))
    return open(file, mode, encoding=None if "b" in mode else "utf-8")  # noqa: PTH123


def use_utf8() -> None:
    """Let jsonargparse read and write every configuration as UTF-8.

    There is no option for that: `open` is replaced in its two modules that open files.
    """
    for module in (jsonargparse._paths, jsonargparse._core):
        module.open = _open  # type: ignore[attr-defined]


@cache
def use_other_names() -> None:
    """Let jsonargparse find classes by short names and by names and paths of former versions.

    Configurations, command lines and hyperparameters of checkpoints all use the two functions that
    are replaced.
    """
    typehints: Any = jsonargparse._typehints
    find, resolve = typehints.import_object, typehints.resolve_class_path_by_name

    def import_object(name: Any, *args: Any, **options: Any) -> Any:
        return find(_current(name), *args, **options)

    def resolve_class_path_by_name(cls: Any, name: Any) -> Any:
        # jsonargparse itself finds classes that have been imported, and calls some by other paths.
        found = resolve(cls, full_path(_current(name), cls) if isinstance(name, str) else name)
        return FORMER_NAMES.get(found, found) if isinstance(found, str) else found

    typehints.import_object = import_object
    typehints.resolve_class_path_by_name = resolve_class_path_by_name


def _current(name: Any) -> Any:
    return current_path(name) if isinstance(name, str) else name


class AddingConfig(jsonargparse.ActionConfigFile):  # type: ignore[name-defined, misc]
    """`--config`, where a later file can add losses, or change their weights.

    Dictionaries of losses and learning-rate factors are merged with those of earlier files for the
    same model. A file that names the model itself by `class_path` replaces them; one that names it
    by a part replaces all that earlier files say of it.
    """

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: Any = None) -> None:
        """Apply a configuration file."""
        content = yaml.safe_load(read_utf8(values))
        model = content.get("model") if isinstance(content, dict) else None
        before = cfg.clone().get("model.init_args", None)
        if isinstance(model, str):
            cfg.pop("model", None)
        super().__call__(parser, cfg, values, option_string)
        if before is None or not isinstance(model, dict) or "class_path" in model:
            return
        for name, named_parts in vars(cfg.model.init_args).items():
            former = before.get(name)
            if isinstance(named_parts, dict) and isinstance(former, dict):
                cfg.model.init_args[name] = former | {
                    part: _completed(value, former.get(part)) for part, value in named_parts.items()
                }


class ModelOption(jsonargparse._typehints.ActionTypeHint):
    """`--model`, where a file with a `class_path` replaces what came before.

    jsonargparse itself keeps all arguments of the former model that the class of the new one has.
    """

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Apply a value."""
        # Not `Path.is_file`, which raises where keys and values are longer than a name may be.
        if args and args[3] == f"--{self.dest}" and os.path.isfile(str(args[2])):  # noqa: PTH113
            content = yaml.safe_load(read_utf8(args[2]))
            if isinstance(content, dict) and "class_path" in content:
                args[1].pop(self.dest, None)
        return super().__call__(*args, **options)  # type: ignore[no-untyped-call]


def use_model_option(parser: Any) -> None:
    """Let `ModelOption` act on a verb's `--model`."""
    action = next(action for action in parser._actions if action.dest == "model")
    action.__class__ = ModelOption


def options_of(parser: Any) -> Iterator[str]:
    """All options of a parser and of its verbs, `--model` for instance."""
    for action in parser._actions:
        for inner in getattr(action, "_name_parser_map", {}).values():  # a verb's own
            yield from options_of(inner)
        yield from action.option_strings


def _completed(value: Any, former: Any) -> Any:
    """Complete a loss by what an earlier file says of it."""
    value, former = (v.as_dict() if isinstance(v, Namespace) else v for v in (value, former))
    return former | value if isinstance(value, dict) and isinstance(former, dict) else value
