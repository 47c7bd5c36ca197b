"""The tables of ``Robustness.md``, made of the tests that they name.

    python Testing/robustnessTables.py

writes them anew. A test stands in a table by ``@pytest.mark.shows("Faults", "what goes wrong", "what is there then")``;
further tests of the same row leave the last text out. Dictionaries of inputs (``REFUSALS``, ``READINGS``) give a row
for each entry, with the words that its test looks for.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent / "Python"
PAGE = Path(__file__).resolve().parent / "Robustness.md"
HEADS = {
    "Mended": ("What is wrong", "What is done"), "Faults": ("Fault", "What is there afterwards"),
    "Hostile": ("What", "How it is met"), "Refused": ("What is refused", "Words of the sentence"),
}
# File -> dictionaries: what is wrong -> (..., words of the refusal).
REFUSALS = {
    "test_bad_input.py": ("INPUTS", "VOLUMES"),
    "test_bad_weights.py": ("WEIGHTS",),
    "Imaging/test_refused_headers.py": ("REFUSED",),
    "Imaging/test_refused_dicom_files.py": ("REFUSED",),
}
# What is read all the same: what is odd -> (..., words of the note, or None).
READINGS = {"Imaging/test_dicom_files.py": ("READ",), "Imaging/test_image_headers.py": ("READ",)}
BLOCK = re.compile(r"<!-- table: (\w+) -->\n.*?<!-- end of table -->", re.DOTALL)


def page() -> str:
    """``Robustness.md`` with the tables as they are to be."""
    rows = {name: {} for name in HEADS}
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for table, what, then, test in [*_marked(tree), *_listed(tree, path.relative_to(TESTS).as_posix())]:
            told, tests = rows[table].get(what, ("", []))
            rows[table][what] = (told or then, [*tests, f"{path.name}: {test}"])
    return BLOCK.sub(lambda block: _block(block[1], rows[block[1]]), PAGE.read_text(encoding="utf-8"))


def _marked(tree):
    """(table, what, then, test) of each mark."""
    for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
        for mark in function.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.shows":
                table, what, *then = map(ast.literal_eval, mark.args)
                yield table, what, then[0] if then else "", function.name


def _listed(tree, name):
    """The same of each entry of the dictionaries in ``REFUSALS`` and ``READINGS``."""
    for node in (node for node in tree.body if isinstance(node, ast.Assign)):
        dictionary = ast.unparse(node.targets[0])
        if dictionary in REFUSALS.get(name, ()) + READINGS.get(name, ()):
            isRead = dictionary in READINGS.get(name, ())
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                words = [part.value for part in getattr(value, "elts", [])
                         if isinstance(part, ast.Constant) and part.value]
                if isinstance(key, ast.Constant) and (words or isRead):
                    yield ("Mended" if isRead else "Refused", key.value, f"... {words[-1]} ..." if words else "read",
                           dictionary)


def _block(name, rows):
    lines = [f"<!-- table: {name} -->", "", f"| {' | '.join(HEADS[name])} | Test |", "|---|---|---|"]
    for what, (then, tests) in rows.items():
        # One name of the file for all its tests.
        files = {}
        for file, test in (one.split(": ") for one in tests):
            files.setdefault(file, []).append(test)
        named = "; ".join(f"`{file}: {', '.join(names)}`" for file, names in files.items())
        lines.append(f"| {_cell(what)} | {_cell(then)} | {named} |")
    return "\n".join([*lines, "", "<!-- end of table -->"])


def _cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
