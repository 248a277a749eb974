"""Claims can fail: each is judged in a made-up world where it is true and one where it is false.

`judged` executes a paper's claims.ipynb on made-up tables with the columns of the real ones. Where
a claim is read from the paper's own tables, the world makes up these too, under the names of the
published files.
"""

import functools
import importlib
import json
from pathlib import Path

import pandas as pd
import pytest

from common import files
from common.report import claims
from common.report.tables import gather
from common.workflow import papers
from tests.worlds.tables import contracts

SCALES = ("embedded", "paper")
# tests/worlds/<paper>.py, a hyphen being an underscore: world(true, scale) gives tables by name.
WORLDS = {
    path.stem.replace("_", "-"): importlib.import_module(f"tests.worlds.{path.stem}").world
    for path in sorted(Path(__file__).with_name("worlds").glob("[a-z]*.py"))
    if path.stem != "tables"
}


@functools.cache
def code(paper):
    """Compiled code cells of a paper's claims.ipynb, and whether they are the parameters."""
    cells = json.loads(files.resolve(f"papers/{paper}/claims.ipynb").read_text("utf-8"))["cells"]
    return [
        (
            compile("".join(cell["source"]), f"{paper}/claims.ipynb", "exec"),
            "parameters" in cell["metadata"].get("tags", []),
        )
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def write(tables, folder):
    """Paths of tables by their names."""
    paths = {name: str(folder / f"{name}.csv") for name in tables}
    for name, table in tables.items():
        table.to_csv(paths[name], index=False)
    return paths


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Paths of the tables of a paper's world, which are made up once."""

    @functools.cache
    def paths(paper, true, scale):
        return write(WORLDS[paper](true, scale), tmp_path_factory.mktemp("world"))

    return paths


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """Outcome of each statement of a paper's claims.ipynb, from tables made up for it."""
    claims_csv = tmp_path_factory.mktemp("claims") / "claims.csv"

    def judge(paper, paths, scale):
        paths, names = dict(paths), {"__name__": "claims"}
        for cell, has_parameters in code(paper):
            exec(cell, names)
            if has_parameters:
                # A table with the name of a published file takes its place.
                theirs = [paths.pop(Path(one).stem, one) for one in names["published"]]
                names |= {"tables": list(paths.values()), "published": theirs, "scale": scale}
                names["claims_csv"] = claims_csv
        return pd.read_csv(claims_csv).set_index("statement")["outcome"]

    return judge


@pytest.fixture(scope="module")
def where_true(judged, worlds):
    """Outcomes in the world in which a paper's claims are true, judged once at each scale."""
    return functools.cache(lambda paper, scale: judged(paper, worlds(paper, True, scale), scale))


def test_every_paper_has_its_worlds():
    missing = sorted(set(papers.names()) - set(WORLDS))
    assert missing == [], "add tests/worlds/<paper>.py: see CONTRIBUTING.md, Add a paper"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("paper", WORLDS)
def test_the_workflow_would_gather_the_made_up_tables(paper, scale, worlds):
    asked = contracts(paper, scale)
    for true in (True, False):
        for name, path in worlds(paper, true, scale).items():
            for contract in asked.get(name, []):
                gather([path], contract=contract)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("paper", WORLDS)
def test_each_testable_claim_holds_where_it_is_true_and_fails_where_it_is_false(
    paper, scale, judged, worlds, where_true
):
    true, false = where_true(paper, scale), judged(paper, worlds(paper, False, scale), scale)
    assert list(true.index) == list(false.index)
    testable = true != claims.NOT_TESTABLE
    assert testable.any()
    assert set(true[testable]) <= {claims.REPRODUCED, claims.BETTER, claims.HOLDS}, true
    assert set(false[testable]) <= {claims.CONTRADICTED, claims.HOLDS_NOT}, false
    assert set(false[~testable]) <= {claims.NOT_TESTABLE}, false
    published = true == claims.HOLDS
    assert list(published) == list(false == claims.HOLDS_NOT)


@pytest.mark.parametrize("paper", WORLDS)
def test_a_claim_has_the_same_name_at_every_scale_and_without_tables(
    paper, judged, worlds, where_true
):
    names = [list(where_true(paper, scale).index) for scale in SCALES]
    assert names[0] == names[1] == list(judged(paper, {}, "embedded").index)
    small = judged(paper, worlds(paper, True, "embedded"), "smoke")
    assert list(small.index) == names[0]
    assert set(small) == {claims.NOT_TESTABLE}


@pytest.mark.parametrize("paper", WORLDS)
def test_each_claim_is_testable_at_one_scale_at_least(paper, where_true):
    outcomes = [where_true(paper, scale) for scale in SCALES]
    never = pd.concat(outcomes, axis=1).eq(claims.NOT_TESTABLE).all(axis=1)
    assert not never.any(), list(never[never].index)


@pytest.mark.parametrize("paper", WORLDS)
def test_a_table_that_is_missing_leaves_the_claims_of_the_others(paper, judged, worlds, where_true):
    tables = worlds(paper, True, "embedded")
    whole = where_true(paper, "embedded")
    for missing in tables:
        rest = {name: path for name, path in tables.items() if name != missing}
        outcomes = judged(paper, rest, "embedded")
        assert list(outcomes.index) == list(whole.index), missing
        if not files.resolve(f"papers/{paper}/published/{missing}.csv").exists():
            changed = outcomes[outcomes != whole]
            assert set(changed) <= {claims.NOT_TESTABLE}, (missing, changed)


@pytest.mark.parametrize("scale", SCALES)
def test_one_network_of_dance_says_nothing_of_another_training(scale, judged, where_true, tmp_path):
    first = {
        name: table[(table["fold"] == 0) & (table["seed"] == table["seed"].min())]
        for name, table in WORLDS["dance"](True, scale).items()
    }
    outcomes = judged("dance", write(first, tmp_path), scale)
    assert list(outcomes.index) == list(where_true("dance", scale).index)
    assert set(outcomes) == {claims.NOT_TESTABLE}, outcomes
