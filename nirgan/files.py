"""Small files that are there whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any


def write_json(file: Path, value: Any) -> None:
    """Write a file of JSON, see `write_text`."""
    write_text(file, json.dumps(value) + "\n")


def write_text(file: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    part.write_text(text)
    part.replace(file)
