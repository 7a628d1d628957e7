"""What torchrun starts: fit, test and predict, one after another in the same processes.

Every file that is moved into its place is noted, beside the runs' folder.
"""

import sys
from pathlib import Path

from nirgan.cli.main import main

if __name__ == "__main__":
    runs, *arguments = sys.argv[1:]
    notes, replace = Path(runs).parent / "written", Path.replace

    def noted(file, target):
        with notes.open("a") as lines:
            lines.write(f"{target}\n")
        return replace(file, target)

    Path.replace = noted
    for verb in ("fit", "test", "predict"):
        newest = [] if verb == "fit" else [f"--ckpt_path={runs}/version_0/checkpoints/best.ckpt"]
        if status := main([verb, *arguments, *newest]):
            sys.exit(status)
