"""Slicer's scene bundles (.mrb: a zip of a .mrml file and its data) packed and checked, and unpacked without trust.

Slicer's own unpacking (libarchive through vtkArchive) writes wherever a bundle's entries say, "../" and "/" included.
Its writing takes the folder's name for a pattern: in "scans [new]" it packs nothing and reports no error.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from html import unescape
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote

from CervicalSpineDetectionLib.Errors import InputError

if TYPE_CHECKING:
    import slicer

# Parts of a bundle of ours.
SCENE, DATA = "scene.mrml", "Data"
CT = f"{DATA}/CT.nrrd"
# What vtksys::Glob, by which Slicer packs a bundle, takes for a pattern.
PATTERN = re.compile(r"[][*?]")
# What a .mrml file says of the files beside it.
FILE_NAME = re.compile(r'\s(?:fileName|fileListMember\d+)="([^"]*)"')
MAXIMUM_FILES = 10_000
MAXIMUM_BYTES = 1 << 34


def packScene(path: Path, folder: Path, writeCt: Callable[[IO[bytes]], None]) -> None:
    """Put what ``SceneFiles.writeSceneParts`` wrote and the CT into a bundle.

    :param path: .mrb file.
    :param writeCt: called with a binary stream, writes the CT as NRRD.
    :raises OSError: the file can't be written.
    """
    top = path.stem
    with zipfile.ZipFile(path, "w") as bundle:
        for part in (SCENE, *(f"{DATA}/{file.name}" for file in sorted((folder / DATA).iterdir()))):
            bundle.write(folder / part, f"{top}/{part}", zipfile.ZIP_DEFLATED)
        # Packed by itself already.
        with bundle.open(zipfile.ZipInfo(f"{top}/{CT}"), "w", force_zip64=True) as stream:
            writeCt(stream)
    if not isWhole(path):
        raise OSError(f"Could not write {path.name}.")


def writeBundle(scene: slicer.vtkMRMLScene, path: Path) -> None:
    """Write a scene as a bundle.

    :param scene: vtkMRMLScene.
    :param path: .mrb file, in any folder that exists.
    :raises OSError: it can't be written, or Slicer wrote it without a part of the scene.
    """
    path = Path(path)
    with tempfile.TemporaryDirectory(dir=_folderWithoutPattern(path.parent)) as folder:
        temporary = Path(folder) / PATTERN.sub("_", path.name)
        if not scene.WriteToMRB(str(temporary)) or not isWhole(temporary):
            raise OSError(f"Could not write {path.name}.")
        shutil.move(temporary, path)


def _folderWithoutPattern(folder: Path) -> Path | str | None:
    """Where a bundle can be written: beside its place if possible, so that it need not be copied."""
    places = (folder.absolute(), tempfile.gettempdir(), Path(folder.absolute().anchor))
    return next((place for place in places if not PATTERN.search(str(place))), None)


def isWhole(path: str | Path) -> bool:
    """Whether a bundle holds one scene and all files that it names."""
    try:
        with zipfile.ZipFile(path) as bundle:
            names = set(bundle.namelist())
            (scene,) = (name for name in names if name.endswith(".mrml"))
            text = bundle.read(scene).decode("utf-8")
    except (OSError, ValueError, zipfile.BadZipFile):
        return False
    folder = PurePosixPath(scene).parent
    return all((folder / name).as_posix() in names for name in _namedFiles(text))


def _namedFiles(text: str) -> list[str]:
    """What a .mrml text refers to, relative to its folder or absolute."""
    return [unquote(unescape(name)) for name in FILE_NAME.findall(text) if name]


def _namesOthers(name: str) -> InputError:
    from CervicalSpineDetectionLib.Scene.Translation import tr as _

    return InputError(_("The scene {name} names files outside of itself, as no program saves it; use a scene from a "
                        "source you trust.").format(name=name))


def unpackBundle(path: str | Path, folder: str | Path) -> Path:
    """Unpack a bundle.

    :param path: .mrb file.
    :param folder: existing folder that its files go to, and none elsewhere.
    :return: Path of the .mrml file.
    :raises InputError: damaged, larger than any scene, or made to write elsewhere.
    """
    # Not at file scope: it loads Slicer, which the command writes a bundle without.
    from CervicalSpineDetectionLib.Scene.Translation import tr as _

    name = Path(path).name
    try:
        with zipfile.ZipFile(path) as bundle:
            entries = bundle.infolist()
            if len(entries) > MAXIMUM_FILES or sum(entry.file_size for entry in entries) > MAXIMUM_BYTES:
                raise InputError(_("The scene {name} is larger than any scene with CTs; save it again in 3D Slicer.")
                                 .format(name=name))
            if not all(_staysInside(entry.filename) for entry in entries):
                raise _namesOthers(name)
            bundle.extractall(folder)
    # RuntimeError: encrypted; NotImplementedError: a compression that zipfile does not know.
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError) as error:
        raise InputError(_("The scene {name} is damaged or no scene; save it again in 3D Slicer.")
                         .format(name=name)) from error
    scenes = list(Path(folder).glob("*/*.mrml"))
    if len(scenes) != 1:
        raise InputError(_("The scene {name} holds {count} scene files instead of one; save it again.").format(
            name=name, count=len(scenes)))
    if not all(map(_staysInside, _namedFiles(scenes[0].read_text(encoding="utf-8", errors="replace")))):
        raise _namesOthers(name)
    return scenes[0]


def _staysInside(entry: str) -> bool:
    return all(not path.is_absolute() and not path.drive and ".." not in path.parts
               for path in (PurePosixPath(entry), PureWindowsPath(entry)))
