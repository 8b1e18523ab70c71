"""Puts hints/, seeds/ and pipelines/ into the wheel as cort_data/_data; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

DATA = ("hints", "seeds", "pipelines")


class BuildWithData(build_py):
    """An editable install needs no copy: it finds the folders in the checkout."""

    def run(self) -> None:
        """Build the package, then copy the data folders beside it."""
        super().run()
        if not self.editable_mode:
            for kind in DATA:
                shutil.copytree(kind, Path(self.build_lib, "cort_data", "_data", kind), dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithData})
