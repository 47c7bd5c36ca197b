"""Shared by the tests of ground truth."""

import publicDataSets as made
import pytest


@pytest.fixture(scope="session")
def neck():
    """(CT, labels), which nobody may change."""
    return made.madeNeck()
