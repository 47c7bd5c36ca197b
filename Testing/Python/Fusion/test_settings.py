import ast
from pathlib import Path

import pytest

from CervicalSpineDetectionLib.Fusion import Settings

ROOM = Path(Settings.__file__).parent
MODULES = sorted(path for path in ROOM.glob("*.py") if path.name != "Settings.py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_numbersOfTheFusionStandInSettings(path):
    module = ast.parse(path.read_text(encoding="utf-8"))
    numbers = [f"line {statement.lineno}: {node.value}" for statement in module.body
               if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value
               for node in ast.walk(statement.value)
               if isinstance(node, ast.Constant) and isinstance(node.value, int | float)]
    assert numbers == []
