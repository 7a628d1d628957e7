"""What jsonargparse has no options for, and its private parts are needed for.

Configuration files are UTF-8 whatever the system's coding is, are added to each other by name, and
may name classes by former paths.
"""

import io
from functools import cache
from pathlib import Path
from typing import IO, Any

import jsonargparse
import yaml
from jsonargparse import Namespace

from nirgan.errors import NirganError, printable_path
from nirgan.utils.renamed import current_path


def read_utf8(file: str | Path) -> str:
    """The text of a configuration.

    Raises:
        NirganError: It is not UTF-8.
        OSError: It cannot be read.
    """
    try:
        return Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise NirganError(
            f"{printable_path(file)}: not UTF-8 ({error.reason}); save it as UTF-8"
        ) from error


def _open(file: str, mode: str = "r") -> IO[Any]:
    """`open`, as jsonargparse calls it for its configurations."""
    if mode == "r":
        return io.StringIO(read_utf8(file))
    return open(file, mode, encoding=None if "b" in mode else "utf-8")  # noqa: PTH123


def use_utf8() -> None:
    """Let jsonargparse read and write every configuration as UTF-8.

    It has no option for that: its two modules that open files are given another `open`.
    """
    for module in (jsonargparse._paths, jsonargparse._core):
        module.open = _open  # type: ignore[attr-defined]


@cache
def use_former_paths() -> None:
    """Let jsonargparse find classes by paths that they had in former versions, wherever it parses.

    Configurations, command lines and the hyperparameters of checkpoints all come by these two.
    """
    typehints: Any = jsonargparse._typehints
    find, resolve = typehints.import_object, typehints.resolve_class_path_by_name

    def import_object(name: Any, *args: Any, **options: Any) -> Any:
        return find(_current(name), *args, **options)

    def resolve_class_path_by_name(cls: Any, name: Any) -> Any:
        return resolve(cls, _current(name))

    typehints.import_object = import_object
    typehints.resolve_class_path_by_name = resolve_class_path_by_name


def _current(name: Any) -> Any:
    return current_path(name) if isinstance(name, str) else name


class AddingConfig(jsonargparse.ActionConfigFile):  # type: ignore[name-defined, misc]
    """`--config`, where a later file may add losses, or weigh those that are there.

    What is kept by name, losses and learning-rate factors, is added to what earlier files say of
    the same method. A file that names the method itself, by `class_path` or a part, brings all.
    """

    def __call__(self, parser: Any, cfg: Any, values: Any, option_string: Any = None) -> None:
        """Apply a file."""
        before = cfg.clone().get("model.init_args", None)
        super().__call__(parser, cfg, values, option_string)
        said = yaml.safe_load(read_utf8(values)).get("model")
        if before is None or not isinstance(said, dict) or "class_path" in said:
            return
        for name, named_parts in vars(cfg.model.init_args).items():
            former = before.get(name)
            if isinstance(named_parts, dict) and isinstance(former, dict):
                cfg.model.init_args[name] = former | {
                    part: _completed(value, former.get(part)) for part, value in named_parts.items()
                }


def _completed(value: Any, former: Any) -> Any:
    """A loss, with what a file leaves out from an earlier one."""
    value, former = (v.as_dict() if isinstance(v, Namespace) else v for v in (value, former))
    return former | value if isinstance(value, dict) and isinstance(former, dict) else value
