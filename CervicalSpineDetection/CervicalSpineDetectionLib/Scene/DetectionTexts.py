"""What the numerics and the worker say, in Slicer's language.

They know no Slicer and speak English, in result files too. Here each of their sentences stands once more, marked for
Slicer's extraction of texts (``update_translations.py`` looks for an underscore and a bracket); a sentence is
recognized by its words, and its values are put into the translation.
"""

from __future__ import annotations

import re
from functools import cache

from CervicalSpineDetectionLib.Scene.Translation import tr


def _(text: str) -> str:
    """Marks a text; it is translated where it is shown."""
    return text


TEXTS = (
    # Warnings of a result.
    _("This CT shows thoracic or lumbar vertebrae; no cervical vertebra was found."),
    _("No vertebra of a person's size was found, but larger cervical vertebrae: the voxel spacing seems to be too "
      "large, perhaps twice what it should be. Correct it, and detect again."),
    _("What was found could be {names}, but more likely is something else, so nothing is shown."),
    _("Neither C1, C2 nor the first ribs can be recognized in this CT: all names may be off by one or more. "
      "The next most probable naming is {names} ({percent} %). Check, and use Shift levels up or down."),
    _("Neither C1, C2 nor the first ribs can be recognized in this CT: all names may be off by one or more. "
      "Check, and use Shift levels up or down."),
    _("The orientation in the header seems to be wrong ({doubt}): no name is certain. Correct the orientation, or "
      "check every name."),
    _("The body changes abruptly between slices {first} and {second} (counted from 1), as where slices are missing or "
      "the patient moved: no name and no distance is certain. Check the CT."),
    _("The vertebrae measure {height} of the usual in height, {depth} in depth and {width} in width: check the voxel "
      "spacing of each axis, unless the patient's vertebrae are deformed."),
    _("The vertebrae measure {percent} % of an adult's usual size: check the voxel spacing, unless the patient is a "
      "child or very small."),
    _("The vertebrae measure {percent} % of an adult's usual size: check the voxel spacing, unless the patient is very "
      "large."),
    _("The neck stands turned by {degrees} degrees in this CT; it was examined along the spine."),
    _("The values look like HU + {offset} (rescale intercept missing); {offset} was subtracted."),
    _("The values run from {lowest} to {highest}, without air (-1000 HU){cutOff}: they look like grey levels, a cut "
      "range of HU or an MR rather than HU. Give the original CT, or check every level."),
    _("{low} % of the values are below {lowest} HU and {high} % above {highest} HU, as in no body: the values are no "
      "HU (inverted, scaled, shifted or of another byte order). Give the original CT."),
    _("Bone is cut off at {highest} HU ({percent} % of the voxels have this highest value). Give the original CT, or "
      "check every level."),
    _("The graphics card had not enough memory, so the detection ran on the CPU."),
    # Remarks on a vertebra.
    _("interpolated (not detected)"),
    _("partly outside the field of view"),
    _("level uncertain"),
    _("position uncertain"),
    _("center outside its own box"),
    _("center at the edge of its own box"),
    _("body out of view"),
    _("distances unlike a person's"),
    _("inside the box of {level}"),
    _("its box holds that of {level}"),
    _("unusual distance from {level}"),
    _("slices seem to be missing"),
    _("the airway is behind the spine"),
    _("spine tilted by {degrees} degrees in the image"),
    _("patient turned by about {degrees} degrees in the image"),
    _("CT stored upside down"),
    _("CT stored front to back"),
    _("CT stored upside down and front to back"),
    _("CT stored with its axes exchanged"),
    # Landmarks, and steps of the work.
    _("first ribs"),
    _("Preparing the slices"),
    _("Loading the network"),
    _("Detecting"),
    # Volumes that can't be used.
    _("The voxel spacing of {spacing} mm can't be that of a CT (it looks like {unit}); correct the header."),
    _("The voxel spacing of {spacing} mm can't be that of a CT; correct the header."),
    _("The image axes are not at right angles (gantry tilt?); resample the CT to a straight grid."),
    _("The image lies kilometers away from the scanner's center; correct the origin in the header."),
    _("The image has {count} dimensions instead of 3; give one CT volume."),
    _("The image holds colors or vectors instead of grey values; give the original CT."),
    _("The image of {size} voxels has too few slices; give the whole CT."),
    _("The image measures only {size} mm, too little for a neck; correct the unit of the header (it looks like cm), or "
      "give the whole CT."),
    _("The image holds values that are not finite numbers (NaN or infinite); replace them by -1024."),
    _("The values of the image run from {lowest} to {highest}, which can't be HU; replace those beyond by -1024, or "
      "give the original CT."),
    _("All voxels of the image have the value {value}; give a CT."),
    _("The image shows no body (nothing above -300 HU); load a CT of the neck."),
    _("meters"),
    _("micrometers"),
    _("centimeters"),
    # Weights and devices that can't be used.
    _("No weights called {name}: give a .safetensors file or one of the names ({names})."),
    _("The model card {name} is missing beside the weights; copy both files."),
    _("The model card {name} can't be read ({reason}); copy it again."),
    _("The model card {name} lacks a usable {fields}; it is not for this program."),
    _("The weights {name} can't be read ({reason}); copy them again."),
    _("{name} is not the file its model card describes (SHA-256 differs); copy both again."),
    _("{name} is no safetensors file; use weights that this program trained."),
    _("{name} holds numbers that are not finite; train or copy the weights again."),
    _("{name} holds layers of zeros, which see nothing; train or copy the weights again."),
    _("{name} was trained for other classes or another plane; use weights of this program."),
    _("{name} does not fit the network {architecture} its card names; copy both files again."),
    _("{name} does not fit this program; copy it again."),
    _("Device {name} is not available on this computer; use auto or cpu."),
    # Failures of the worker.
    _("The detection process no longer answers and was ended; detect again, and choose CPU if it happens again."),
    _("The system ended the detection process, most likely because memory ran out; close other programs or crop the "
      "volume, then detect again."),
    _("The detection process ended unexpectedly ({reason}), perhaps because memory ran out; close other programs or "
      "crop the volume, detect again, and see the log if it happens again."),
    _("The detection process gave an answer that can't be read; restart the application or install it again."),
    _("The detection process can't be started ({reason}); restart the application or install it again."),
    _("The volume can't be handed to the detection process ({reason}); free memory or crop the volume."),
    _("The volume has no voxels; load a CT and select it."),
    _("The Python package {name} can't be loaded; install what this module needs, then detect again."),
    _("The graphics card reported an error; detect again, and choose CPU if it happens again."),
    _("The detection failed ({reason}); detect again, and see the log if it happens again."),
)
SEPARATOR = "; "


def inSlicersLanguage(text: str) -> str:
    """A sentence, or remarks joined by semicolons; what is not known stays as it is."""
    return SEPARATOR.join(map(_translated, text.split(SEPARATOR))) if recognized(text) is None else _translated(text)


def recognized(text: str) -> tuple[str, dict[str, str]] | None:
    """:return: (the text of ``TEXTS`` that this is, name -> value), or None."""
    for known in TEXTS:
        match = _pattern(known).fullmatch(text)
        if match:
            return known, match.groupdict()
    return None


def _translated(text: str) -> str:
    found = recognized(text)
    if found is None:
        return text
    known, values = found
    return tr(known).format(**{name: inSlicersLanguage(value) if value else value for name, value in values.items()})


@cache
def _pattern(known: str) -> re.Pattern[str]:
    """Its values may be anything, and what comes twice is the same."""
    parts: list[str] = []
    seen: set[str] = set()
    for index, part in enumerate(re.split(r"\{(\w+)\}", known)):
        if index % 2 == 0:
            parts.append(re.escape(part))
        else:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>.*?)")
            seen.add(part)
    return re.compile("".join(parts), re.DOTALL)
