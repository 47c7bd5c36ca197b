"""The Python packages the detection needs: what is missing, one question, installation with and without a network."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import slicer
from slicer.i18n import tr as _

OLDEST_SLICER = (5, 10)
# ultralytics asks for it; its Qt libraries clash with Slicer's, and the headless build does the same.
SKIPPED = "opencv-python"
TORCH = ("torch", "torchvision")
REQUIREMENTS = os.path.join(os.path.dirname(__file__), "..", "..", "Resources", "requirements.txt")


class PackagesMissing(Exception):
    """The detection can't run; the message says what to do."""


def slicerIsTooOld() -> str | None:
    """:return: a sentence for the user, or None."""
    if (slicer.app.majorVersion, slicer.app.minorVersion) >= OLDEST_SLICER:
        return None
    return _("This extension needs Slicer {needed} or newer, and this is {present}: install a newer Slicer.").format(
        needed=".".join(map(str, OLDEST_SLICER)), present=slicer.app.applicationVersion
    )


class Packages:
    """:param requirementsPath: a pip requirements file."""

    def __init__(self, requirementsPath: str = REQUIREMENTS) -> None:
        self.requirementsPath = os.path.abspath(requirementsPath)

    def requirements(self) -> list[str]:
        """:return: list of str such as "torch>=2.2"."""
        with open(self.requirementsPath, encoding="utf-8") as file:
            lines = [line.strip() for line in file]
        return [line for line in lines if line and not line.startswith("#")]

    def missing(self) -> list[str]:
        """:return: requirements not met here, list of str."""
        return [line for line in self.requirements() if not _isMet(line)]

    def ensure(self) -> None:
        """Install what is missing, after asking.

        :raises PackagesMissing: the user declined, or the installation failed; nothing was installed in testing mode.
        """
        missing = self.missing()
        if not missing:
            return
        if slicer.app.testingEnabled() or not self._ask(missing):
            raise PackagesMissing(
                _("Python packages are missing ({names}): install them under Advanced.").format(names=_names(missing))
            )
        self.install(missing)

    def install(self, missing: Sequence[str], wheelFolder: str | None = None) -> None:
        """:param missing: requirements, list of str.
        :param wheelFolder: folder of wheels to install from, None for the Python Package Index.
        :raises PackagesMissing: the installation failed.
        """
        try:
            with _onlyFrom(wheelFolder):
                if wheelFolder is None:
                    self._installTorch(missing)
                self._pipInstall([line for line in missing if not _isMet(line)])
        except Exception as error:
            raise PackagesMissing(
                _("The Python packages could not be installed ({reason}). For a computer without a network see "
                  "Advanced, Offline installation.").format(reason=error)
            ) from error
        importlib.invalidate_caches()
        if self.missing():
            raise PackagesMissing(_("{names} could not be installed.").format(names=_names(self.missing())))

    def offlineHelp(self) -> str:
        """:return: text with the exact commands."""
        return _(
            "1. On a computer with a network connection, the same operating system and the same Slicer, in a terminal "
            "(Command Prompt on Windows); adapt the path of PythonSlicer if Slicer is installed elsewhere there:\n\n"
            "{python} -m pip download --dest wheels {requirements}\n\n"
            "2. Copy the folder wheels to this computer.\n\n"
            "3. Here, under Advanced, click From a folder... and choose it. Or, in a terminal:\n\n"
            "{python} -m pip install --no-index --find-links wheels {requirements}\n\n"
            "{python} -m pip uninstall --yes opencv-python\n\n"
            "{python} -m pip install --no-index --find-links wheels --force-reinstall --no-deps "
            "opencv-python-headless"
        ).format(python=_quoted(pythonSlicer()), requirements=" ".join(map(_quoted, self.requirements())))

    @staticmethod
    def _ask(missing: Sequence[str]) -> bool:
        return slicer.util.confirmOkCancelDisplay(
            _("To detect vertebrae, these Python packages are installed into Slicer:\n\n{names}\n\n"
              "Size: about 1 GB to download and 2 GB on disk; on Linux and Windows with the GPU build of PyTorch about "
              "3 GB and 6 GB.\n"
              "License: Ultralytics (package ultralytics) is under AGPL-3.0. Whoever distributes it with other "
              "software, or offers it as a service, must meet AGPL-3.0 or hold an Enterprise license.\n\n"
              "Install now? Without them, nothing is changed and no vertebra can be detected.").format(
                names="\n".join(missing)),
            windowTitle=_("Cervical Spine Detection"),
        )

    @staticmethod
    def _installTorch(missing: Sequence[str]) -> None:
        """The PyTorch extension picks the build that fits the graphics driver; pip alone takes the default build."""
        torch = [line for line in missing if _name(line) in TORCH]
        if not torch:
            return
        try:
            from PyTorchUtils import PyTorchUtilsLogic
        except ImportError:
            return
        specifiers = {_name(line): line[len(_name(line)):] for line in torch}
        PyTorchUtilsLogic().installTorch(
            askConfirmation=False, torchVersionRequirement=specifiers.get("torch"),
            torchvisionVersionRequirement=specifiers.get("torchvision"),
        )

    @staticmethod
    def _pipInstall(requirements: Sequence[str]) -> None:
        if not requirements:
            return
        try:
            from slicer.packaging import pip_install
        except ImportError:  # Slicer 5.10
            rest = [line for line in requirements if _name(line) != "ultralytics"]
            if rest:
                slicer.util.pip_install(rest)
            for line in set(requirements) - set(rest):
                _installWithoutOpenCv(line)
        else:
            pip_install(requirements, skip_packages=[SKIPPED])


def pythonSlicer() -> str:
    """Path of the Python that runs outside Slicer's window, str."""
    return shutil.which("PythonSlicer") or sys.executable


def _quoted(text: str) -> str:
    """As one argument in a terminal of this system."""
    return f'"{text}"' if sys.platform == "win32" else shlex.quote(text)


def _installWithoutOpenCv(requirement: str) -> None:
    """A package, then what it asks for, but for opencv-python."""
    slicer.util.pip_install(["--no-deps", requirement])
    importlib.invalidate_caches()
    asked = [line for line in importlib.metadata.requires(_name(requirement)) or [] if "extra ==" not in line]
    missing = [line for line in asked if _name(line) != SKIPPED and not _isMet(line)]
    # pip fails if it is asked for nothing.
    if missing:
        slicer.util.pip_install(missing)


def _isMet(line: str) -> bool:
    # Any build of OpenCV will do, and a second one beside it would overwrite its files.
    if _name(line).startswith("opencv") and importlib.util.find_spec("cv2"):
        return True
    from packaging.requirements import Requirement

    requirement = Requirement(line)
    if requirement.marker and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(importlib.metadata.version(requirement.name), prereleases=True)
    except importlib.metadata.PackageNotFoundError:
        return False


def _name(line: str) -> str:
    return re.match(r"[\w-]+", line).group()


def _names(lines: Iterable[str]) -> str:
    return ", ".join(map(_name, lines))


@contextmanager
def _onlyFrom(wheelFolder: str | None) -> Iterator[None]:
    """pip reads its options from the environment too, whoever starts it."""
    if wheelFolder is None:
        yield
        return
    options = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheelFolder)}
    before = {name: os.environ.get(name) for name in options}
    os.environ.update(options)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
