"""Image files: NIfTI, NRRD and MetaImage.

Headers come from anyone. They are read here, by code that knows what it expects, and voxels are counted; libraries that
crash, hang or fill gaps with what their memory held before see none of it.
"""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.Imaging.ImageHeader import ImageHeader
from CervicalSpineDetectionLib.Imaging.MetaImageHeader import METAIMAGE_SUFFIXES, readMetaImageHeader
from CervicalSpineDetectionLib.Imaging.NiftiHeader import NIFTI_SUFFIXES, readNiftiHeader
from CervicalSpineDetectionLib.Imaging.NrrdHeader import NRRD_SUFFIXES, readNrrdHeader
from CervicalSpineDetectionLib.Imaging.VoxelData import readVoxels

IMAGE_SUFFIXES = NIFTI_SUFFIXES + NRRD_SUFFIXES + METAIMAGE_SUFFIXES


def readImageHeader(path: Path) -> ImageHeader:
    """:return: ImageHeader of an image file. :raises InputError: none, or none that can be read."""
    name = path.name.lower()
    for suffixes, read in ((NIFTI_SUFFIXES, readNiftiHeader), (NRRD_SUFFIXES, readNrrdHeader),
                           (METAIMAGE_SUFFIXES, readMetaImageHeader)):
        if name.endswith(suffixes):
            return read(path)
    raise InputError(f"{path} is no image that can be read; give DICOM or one of {', '.join(IMAGE_SUFFIXES)}.")


def readImageFile(path: Path) -> tuple[sitk.Image, list[str]]:
    """:return: (3D scalar sitk image in LPS mm, in the type it is stored in or float32; sentences for the user).

    :raises InputError: not one 3D volume of grey values, damaged, incomplete or larger than any CT.
    """
    header = readImageHeader(path)
    return readVoxels(header), list(header.notes)
