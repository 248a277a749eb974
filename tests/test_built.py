"""What was built at the embedded scale, against the sources: after `make figures`."""

import json

import pytest

from common import files
from common.notebooks import parameters


def built():
    """Parameters that the workflow passed to each notebook that draws a figure or judges claims."""
    paths = [
        *files.ROOT.glob("papers/*/figures/*.json"),
        *files.ROOT.glob("results/*/embedded/notebooks/claims.json"),
    ]
    found = [json.loads(path.read_text()) for path in paths]
    return {
        one["notebook"]: one["parameters"]
        for one in found
        if one.get("scale") == "embedded" and one.get("rule")
    }


BUILT = built()


@pytest.mark.parametrize("notebook", sorted(BUILT))
def test_a_notebook_opened_by_hand_shows_what_the_workflow_built(notebook):
    """Its parameters cell has the values that the workflow passes."""
    defaults = {name: one.default for name, one in parameters.signature(notebook).items()}
    assert defaults == BUILT[notebook]
