"""`reference` and `check` on the toy paper, as a reviewer uses them."""

import json
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def referenced(pristine, tmp_path_factory):
    """The built repository with a reference, which `check` agrees with."""
    path = tmp_path_factory.mktemp("referenced") / "repository"
    shutil.copytree(pristine.path, path, symlinks=True)
    repository = type(pristine)(path)
    repository.snakemake("papers/toy/reference")
    return repository


@pytest.fixture
def copy(referenced, tmp_path):
    shutil.copytree(referenced.path, tmp_path / "repository", symlinks=True)
    return type(referenced)(tmp_path / "repository")


def test_a_second_run_has_the_same_bytes(copy):
    assert {path.name for path in (copy / "papers/toy/reference").iterdir()} == {
        "bars.csv", "claims.csv", "reference.json", "total.csv",
    }  # fmt: skip
    output = copy.snakemake("check")
    assert "toy/bars: same bytes" in output
    assert "2 figures, 2 same bytes, 0 within tolerance, 0 differs" in output


def test_a_number_that_moved_is_named_and_tolerated_only_where_said(copy):
    copy.edit("papers/toy/paper.yaml", "factor: 2.0", "factor: 2.00002")
    output = copy.snakemake("papers/toy/check", status=1)
    assert "toy/bars: differs: " in output
    assert "apart" in output and "0 same bytes" in output
    for figure in ("Scores", "Total"):
        copy.edit(
            "papers/toy/paper.yaml",
            f"    title: {figure}\n",
            f"    title: {figure}\n    tolerances: [{{columns: [score], relative: 1.0e-4}}]\n",
        )
    assert "toy/bars: within tolerance: score is" in copy.snakemake("papers/toy/check")
    measured = "tolerances: [{columns: [score], left_out: measured time}]"
    path = copy / "papers/toy/paper.yaml"
    text = path.read_text(encoding="utf-8")
    loose = "tolerances: [{columns: [score], relative: 1.0e-4}]"
    path.write_text(text.replace(loose, measured, 1), encoding="utf-8")
    output = copy.snakemake("papers/toy/check")
    assert "toy/bars: same bytes: but for what is left out" in output
    assert "1 same bytes, 1 within tolerance" in output


def test_a_changed_outcome_is_named(copy):
    path = copy / "papers/toy/reference/claims.csv"
    text = path.read_text()
    assert ",reproduced," in text
    path.write_text(text.replace(",reproduced,", ",contradicted,"))
    output = copy.snakemake("papers/toy/check", status=1)
    assert "toy: outcome changed: " in output
    assert "is reproduced, in the reference contradicted" in output
    settings = copy / "papers/toy/paper.yaml"
    unchecked = 'claims:\n  unchecked: ["The * is above 0 *"]\n'
    settings.write_text(settings.read_text().replace("claims:\n", unchecked))
    assert "0 claims, 0 outcomes changed" in copy.snakemake("papers/toy/check")


def test_the_reference_is_that_of_the_embedded_scale(copy):
    for target in ("check", "papers/toy/check", "papers/toy/reference"):
        output = copy.snakemake(target, "--config", "scale=paper", status=1)
        assert "the reference results are those of scale 'embedded', this is 'paper'" in output


def test_nothing_is_kept_that_does_not_agree_with_its_provenance(copy):
    kept = (copy / "papers/toy/reference/reference.json").read_bytes()
    table = copy / "papers/toy/figures/bars.csv"
    table.write_text(table.read_text() + "\n")
    output = copy.snakemake("papers/toy/reference", status=1)
    assert "papers/toy/figures/bars.csv does not agree with its provenance" in output
    assert (copy / "papers/toy/reference/reference.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("common/toy.py", None, None, []),
        (
            "papers/toy/paper.yaml",
            "factor: 2.0",
            "factor: 2.5",
            ["scales.embedded"],
        ),
        ("papers/toy/paper.yaml", "    title: Total", "    title: All", []),
    ],
)
def test_what_makes_a_reference_outdated(copy, name, old, new, expected):
    if old:
        copy.edit(name, old, new)
    changes = _outdated(copy)
    assert len(changes) == len(expected)
    assert all(part in change for part, change in zip(expected, changes, strict=True))


def test_edited_code_makes_a_reference_outdated(copy):
    path = copy / "papers/toy/2-scale.ipynb"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["cells"][-1]["source"] = "".join(content["cells"][-1]["source"]) + "\nmore = 1"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert _outdated(copy) == ["the code of papers/toy/2-scale.ipynb"]


def _outdated(repository):
    command = "import json; from common.report import reference; "
    command += "print(json.dumps(reference.outdated('toy')))"
    done = subprocess.run(
        [sys.executable, "-c", command], cwd=repository.path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
