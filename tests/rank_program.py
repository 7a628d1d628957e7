"""What torchrun starts: fit, test and predict, one after another in the same processes."""

import sys

from nirgan.cli import main

if __name__ == "__main__":
    runs, *arguments = sys.argv[1:]
    for verb in ("fit", "test", "predict"):
        newest = [] if verb == "fit" else [f"--ckpt_path={runs}/version_0/checkpoints/best.ckpt"]
        if status := main([verb, *arguments, *newest]):
            sys.exit(status)
