"""The list of guards cannot rot: every guard still stands where it says, once."""

from __future__ import annotations

import pytest

from tests.guards import MUTATIONS, ROOT, Mutation


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_the_guard_stands_where_the_list_says(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.guard) == 1
    for tests in mutation.tests:
        assert (ROOT / tests).exists()


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_what_is_left_is_still_python(mutation: Mutation) -> None:
    """A file that cannot be imported fails every test, and would count as noticed for ever."""
    compile(mutation.applied(), mutation.file, "exec")
