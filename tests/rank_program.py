"""What torchrun starts: fit, test and predict, one after another in the same processes.

Every file that is moved into its place is noted, beside the runs' folder. Then a fit that only a
signal ends, in the folder `signalled`.
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
    Path.replace = replace
    (signalled := notes.with_name("signalled")).mkdir(exist_ok=True)
    endless = ["--trainer.max_epochs=100000", f"--trainer.default_root_dir={signalled}"]
    told = [f"--trainer.callbacks.folder={signalled}"]
    sys.exit(main(["fit", *arguments, *endless, *told]))
