"""``Robustness.md`` says of the tests what they show."""

import robustnessTables


def test_theTablesAreThoseOfTheTests():
    """Else: python Testing/robustnessTables.py."""
    assert robustnessTables.page() == robustnessTables.PAGE.read_text(encoding="utf-8")


def test_everyRowSaysWhatIsThere():
    rows = [line.split(" | ") for line in robustnessTables.page().splitlines() if line.startswith("| ")]

    assert len(rows) > 50 and all(len(row) == 3 and all(cell.strip("| ") for cell in row) for row in rows)
