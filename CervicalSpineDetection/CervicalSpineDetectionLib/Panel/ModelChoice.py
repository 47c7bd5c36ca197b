"""The box to choose the network's weights from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from CervicalSpineDetectionLib.Errors import InputError
from CervicalSpineDetectionLib.SliceDetector.Weights import DEFAULT_WEIGHTS, readCard, userWeightsFolder, weightsFolder

if TYPE_CHECKING:
    import qt


def weightsFiles(ownFolder: str | Path | None = None) -> list[Path]:
    """Weights that can be chosen: shipped ones, the default first, then those that ``train --install`` installed.

    :param ownFolder: a further folder to look in, or None.
    :return: list of Path.
    """
    shipped = sorted(weightsFolder().glob("*.safetensors"), key=lambda path: (path.stem != DEFAULT_WEIGHTS, path.stem))
    folders = [userWeightsFolder(), *([Path(ownFolder)] if ownFolder else [])]
    own = [path for folder in folders if folder.is_dir() for path in sorted(folder.glob("*.safetensors"))]
    return list(dict.fromkeys(shipped + own))


class ModelChoice:
    """:param box: QComboBox.
    :param onChosen: called with the path of the weights the user chose, str.
    """

    def __init__(self, box: qt.QComboBox, onChosen: Callable[[str], None]) -> None:
        self._box = box
        self._paths = []
        box.connect("activated(int)", lambda index: onChosen(str(self._paths[index])))

    def show(self, ownFolder: str, weights: str) -> str:
        """:param weights: path of the chosen weights; "" for the default.
        :return: path of what is shown now, str; "" where there are no weights at all.
        """
        self._paths = weightsFiles(ownFolder)
        self._box.clear()
        for index, path in enumerate(self._paths):
            self._box.addItem(path.stem if index else _("{name} (default)").format(name=path.stem))
        texts = [str(path) for path in self._paths]
        index = texts.index(weights) if weights in texts else 0
        self._box.setCurrentIndex(index if texts else -1)
        self._box.toolTip = _description(self._paths[index]) if texts else _("There are no weights.")
        return texts[index] if texts else ""


def _description(path: Path) -> str:
    try:
        card = readCard(path)
    except InputError as error:
        return str(error)
    return f"{path}\n{card['architecture']}, SHA-256 {card['sha256'][:12]}"
