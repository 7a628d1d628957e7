"""What pyproject.toml cannot say: conf/ and sweeps/, at the top here, go into the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class WithConfigurations(build_py):
    """Builds the package with conf/ and sweeps/ in it, for `nirgan.utils.paths.resolve_shipped`."""

    def run(self) -> None:
        """Build; an editable installation finds the folders where they are."""
        super().run()
        if not self.editable_mode:
            for folder in ("conf", "sweeps"):
                shutil.copytree(folder, Path(self.build_lib, "nirgan", folder), dirs_exist_ok=True)


setup(cmdclass={"build_py": WithConfigurations})
