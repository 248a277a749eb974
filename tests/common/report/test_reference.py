"""What is kept as reference and what a check says of it, on files that no workflow has built."""

import json

import pytest
import yaml

from common import files
from common.report import reference
from common.report.agreement import DIFFERS, SAME, WITHIN
from common.workflow.notebooks import fingerprint
from common.workflow.papers import PaperError

PAPER = {
    "title": "T",
    "authors": ["A"],
    "year": 2025,
    "doi": "10.0/1",
    "summary": "S",
    "preview": "one",
    "figures": {
        "one": {
            "title": "O",
            "caption": "C",
            "original": 1,
            "tolerances": [
                {"columns": ["score"], "relative": 0.01},
                {"columns": ["seconds"], "left_out": "measured time"},
            ],
        },
        "two": {"title": "O", "caption": "C", "original": 2},
    },
    "claims": {"unchecked": ["* takes less time", "It is *"]},
    "scales": {"embedded": {"seeds": [0]}, "paper": {"seeds": [0, 1]}},
}
ONE = "kind,score,seconds\na,1.0,7.0\nb,2.0,8.0\n"
TWO = "kind,score\na,1.0\n"
CLAIMS = (
    "statement,outcome\nIt works.,reproduced\nIt fails.,contradicted\nIt takes less time,open\n"
)
NOTEBOOKS = ("1-make.ipynb", "figure-one.ipynb", "figure-two.ipynb", "claims.ipynb", "other.ipynb")


class Toy:
    """A repository with one paper, as the workflow leaves it."""

    def __init__(self, root):
        self.root = root
        (root / "config.yaml").write_text("scale: embedded\n")
        self.settings()
        for name in NOTEBOOKS:
            self.notebook(name, "value = 1\n")
        self.table("results/toy/embedded/data.csv", TWO, by="1-make.ipynb")
        inputs = ["results/toy/embedded/data.csv"]
        self.table("papers/toy/figures/one.csv", ONE, by="figure-one.ipynb", inputs=inputs)
        self.table("papers/toy/figures/two.csv", TWO, by="figure-two.ipynb", inputs=inputs)
        self.table("results/toy/embedded/claims.csv", CLAIMS, by="claims.ipynb", inputs=inputs)
        self.table("results/toy/embedded/unused.csv", TWO, by="other.ipynb")

    def settings(self, **changes):
        path = self.root / "papers/toy/paper.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(PAPER | changes))

    def notebook(self, name, source):
        cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}
        files.write_json(f"papers/toy/{name}", {"cells": [cell], "nbformat": 4})

    def table(self, name, text, *, by, inputs=(), **changes):
        """A table with its provenance beside it; of a figure, with the figure."""
        files.write_text(name, text)
        notebook = f"papers/toy/{by}"
        outputs = [name]
        if name.startswith("papers/"):
            outputs.append(name.replace(".csv", ".svg"))
            files.write_text(outputs[1], "<svg/>")
        content = {
            "format": "provenance-1",
            "notebook": notebook,
            "fingerprint": fingerprint.fingerprint(files.resolve(notebook), root=files.ROOT),
            "inputs": {each: files.sha256(each) for each in inputs},
            "outputs": {each: files.sha256(each) for each in outputs},
            "scale": "embedded",
            "python": "3.11.7",
            "packages": {"numpy": "2.3.5"},
            "dispatch": "avx2",
        }
        files.write_json(name.replace(".csv", ".json"), content | changes)

    def edit(self, name, old, new):
        path = files.resolve(name)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    return Toy(tmp_path)


@pytest.fixture
def kept(toy):
    reference.write("toy")
    return toy


def test_what_is_kept_are_the_tables_and_the_code_that_made_them(kept):
    folder = files.resolve("papers/toy/reference")
    assert {path.name for path in folder.iterdir()} == {
        "one.csv", "two.csv", "claims.csv", "reference.json",
    }  # fmt: skip
    assert (folder / "one.csv").read_text() == ONE
    content = json.loads((folder / "reference.json").read_text())
    # The notebooks behind the figures and the claims, and the one before these; not another.
    assert sorted(content["fingerprints"]) == [
        f"papers/toy/{name}" for name in sorted(NOTEBOOKS[:4])
    ]
    assert content["tables"]["two"] == {
        "sha256": files.sha256("papers/toy/figures/two.csv"), "kept": "whole",
    }  # fmt: skip
    assert (content["python"], content["dispatch"]) == ("3.11.7", "avx2")
    assert not list(folder.parent.glob(".reference-*"))


def test_a_second_reference_replaces_the_first(kept):
    kept.table("papers/toy/figures/two.csv", TWO + "b,9.0\n", by="figure-two.ipynb")
    files.write_text("papers/toy/reference/left-over.csv", "")
    reference.write("toy")
    assert files.read_csv("papers/toy/reference/two.csv")["score"].tolist() == [1.0, 9.0]
    assert not files.resolve("papers/toy/reference/left-over.csv").exists()


def test_a_large_table_is_kept_and_compared_as_its_summary(toy, monkeypatch):
    monkeypatch.setattr(reference, "MAX_BYTES", len(ONE) - 1)
    reference.write("toy")
    summary = files.read_csv("papers/toy/reference/one.csv")
    assert {"kind", "column", "n", "mean"} <= {*summary}
    assert files.read_csv("papers/toy/reference/two.csv")["score"].tolist() == [1.0]
    toy.edit("papers/toy/figures/one.csv", "2.0,8.0", "2.01,9.0")
    assert reference.agreement("toy", "one", "papers/toy/figures/one.csv").state == WITHIN
    toy.edit("papers/toy/figures/one.csv", "2.01,", "2.1,")
    assert reference.agreement("toy", "one", "papers/toy/figures/one.csv").state == DIFFERS


def test_a_table_of_the_largest_size_is_kept_whole(toy, monkeypatch):
    monkeypatch.setattr(reference, "MAX_BYTES", len(ONE))
    reference.write("toy")
    assert files.resolve("papers/toy/reference/one.csv").read_text() == ONE


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda toy: files.resolve("papers/toy/figures/one.json").unlink(),
            r"figures/one\.svg was not built by the workflow at scale 'embedded'\. Build it: snake",
        ),
        (
            lambda toy: toy.table(
                "papers/toy/figures/one.csv", ONE, by="figure-one.ipynb", scale="paper"
            ),
            r"figures/one\.svg was not built by the workflow at scale 'embedded'",
        ),
        (
            lambda toy: toy.table(
                "papers/toy/figures/one.csv", ONE, by="figure-one.ipynb", interactive=True
            ),
            r"figures/one\.svg was not built by the workflow",
        ),
        (
            lambda toy: toy.table(
                "papers/toy/figures/one.csv", ONE, by="figure-one.ipynb",
                outputs={"papers/toy/figures/one.svg": "0"},
            ),
            r"figure-one\.ipynb wrote no papers/toy/figures/one\.csv; common\.report\.figures",
        ),
        (
            lambda toy: toy.edit("papers/toy/figures/one.csv", "7.0", "7.5"),
            r"one\.csv does not agree with its provenance\. Build it again: snakemake -j2 --force",
        ),
        (
            lambda toy: files.resolve("papers/toy/figures/one.csv").unlink(),
            r"one\.csv does not agree with its provenance",
        ),
        (
            lambda toy: toy.notebook("1-make.ipynb", "value = 2\n"),
            r"^papers/toy: papers/toy/1-make\.ipynb changed after the results were built",
        ),
        (
            lambda toy: files.resolve("papers/toy/claims.ipynb").unlink(),
            r"^papers/toy: papers/toy/claims\.ipynb changed after",
        ),
    ],
)  # fmt: skip
def test_what_does_not_agree_with_its_provenance_is_not_kept(kept, spoil, message):
    before = files.sha256("papers/toy/reference/reference.json")
    spoil(kept)
    with pytest.raises(PaperError, match=message):
        reference.write("toy")
    assert files.sha256("papers/toy/reference/reference.json") == before


def test_a_fresh_reference_is_up_to_date_and_without_one_there_is_none(toy):
    assert reference.outdated("toy") == ["there is no reference"]
    reference.write("toy")
    assert reference.outdated("toy") == []


def test_what_makes_a_reference_outdated(kept):
    one, two = (PAPER["figures"][name] for name in ("one", "two"))
    kept.settings(
        figures={"one": one, "new": two},
        scales={"embedded": {"seeds": [3]}, "paper": {"seeds": [0]}},
    )
    kept.notebook("figure-one.ipynb", "value = 2\n")
    kept.notebook("other.ipynb", "value = 2\n")  # which nothing kept comes from
    files.resolve("papers/toy/figure-two.ipynb").unlink()
    assert reference.outdated("toy") == [
        "the code of papers/toy/figure-one.ipynb",
        "papers/toy/figure-two.ipynb is gone",
        "papers/toy/paper.yaml: scales.embedded",
        "figure 'new' has no reference",
        "figure 'two' is gone",
    ]


def test_neither_the_paper_scale_nor_a_title_makes_it_outdated(kept):
    kept.settings(title="Other", scales=PAPER["scales"] | {"paper": {"seeds": [0, 1, 2]}})
    assert reference.outdated("toy") == []


@pytest.mark.parametrize(
    ("old", "new", "state", "detail"),
    [
        ("a", "a", SAME, ""),
        ("7.0", "700.0", SAME, "but for what is left out"),
        ("2.0", "2.01", WITHIN, "score is 2.01, in the reference 2"),
        ("2.0", "2.03", DIFFERS, "score is 2.03, in the reference 2"),
        ("b,2.0", "c,2.0", DIFFERS, "kind is 'c'"),
    ],
)
def test_a_table_agrees_as_its_tolerances_say(kept, old, new, state, detail):
    kept.edit("papers/toy/figures/one.csv", old, new)
    found = reference.agreement("toy", "one", "papers/toy/figures/one.csv")
    assert found.state == state
    assert detail in found.detail and bool(detail) == bool(found.detail)


def test_a_figure_or_a_paper_without_reference_and_a_tolerance_of_no_column(kept):
    table = "papers/toy/figures/two.csv"
    assert "does not have this figure" in reference.agreement("toy", "three", table).detail
    tolerance = {"tolerances": [{"columns": ["scoer"], "relative": 0.1}]}
    figures = PAPER["figures"] | {"two": PAPER["figures"]["two"] | tolerance}
    kept.settings(figures=figures)
    kept.edit(table, "1.0", "1.5")
    with pytest.raises(PaperError, match=r"paper\.yaml: figures\.two\.tolerances: .*'scoer'"):
        reference.agreement("toy", "two", table)
    # It is found before any table differs, too.
    with pytest.raises(PaperError, match=r"figures\.two\.tolerances: .*'scoer'"):
        reference.check_tolerances("toy")
    before = files.resolve("papers/toy/reference/reference.json").read_text()
    kept.edit(table, "1.5", "1.0")
    with pytest.raises(PaperError, match=r"figures\.two\.tolerances: .*'scoer'"):
        reference.write("toy")
    assert files.resolve("papers/toy/reference/reference.json").read_text() == before
    files.resolve("papers/toy/reference/reference.json").unlink()
    with pytest.raises(PaperError, match=r"holds no reference\. Write one: snakemake -j2 papers/t"):
        reference.agreement("toy", "two", table)


def test_a_check_counts_figures_and_claims(kept):
    lines, summary, agrees = reference.report(["toy"])
    assert agrees
    assert lines == ["toy/one: same bytes", "toy/two: same bytes"]
    assert summary == (
        "Against the reference results: 2 figures, 2 same bytes, 0 within tolerance, 0 differs; "
        "2 claims, 0 outcomes changed."
    )


def test_a_check_names_what_differs(kept):
    kept.edit("papers/toy/figures/one.csv", "2.0", "2.01")
    kept.edit("papers/toy/figures/two.csv", "1.0", "1.5")
    claims = "results/toy/embedded/claims.csv"
    kept.edit(claims, "It works.,reproduced", "It works.,inconclusive")
    kept.edit(claims, "It fails.,contradicted", "It flies.,reproduced")
    kept.edit(claims, "time,open", "time,closed")  # unchecked
    lines, summary, agrees = reference.report(["toy"])
    assert not agrees
    assert "0 same bytes, 1 within tolerance, 1 differs; 2 claims, 3 outcomes changed" in summary
    assert lines[2:] == [
        "toy: outcome changed: 'It works.' is inconclusive, in the reference reproduced",
        "toy: outcome changed: 'It fails.' is gone, in the reference contradicted",
        "toy: outcome changed: 'It flies.' is new",
    ]


@pytest.mark.parametrize("name", ["papers/toy/figures/two.csv", "results/toy/embedded/claims.csv"])
def test_one_difference_is_enough_to_disagree(kept, name):
    kept.edit(name, "1.0" if "two" in name else "reproduced", "7")
    assert not reference.report(["toy"])[2]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda toy: files.resolve("papers/toy/figures/one.json").unlink(),
            r"figures/one\.svg is not built; the reference has scale 'embedded'\. Build it: snake",
        ),
        (
            lambda toy: toy.table(
                "papers/toy/figures/one.csv", ONE, by="figure-one.ipynb", scale="smoke"
            ),
            r"figures/one\.svg shows scale 'smoke'; the reference has scale 'embedded'",
        ),
        (
            lambda toy: files.resolve("results/toy/embedded/claims.csv").unlink(),
            r"results/toy/embedded/claims\.csv is not built\. Build it: snakemake -j2 papers/toy/c",
        ),
    ],
)
def test_what_is_not_built_cannot_be_checked(kept, spoil, message):
    spoil(kept)
    with pytest.raises(PaperError, match=message):
        reference.check("toy")


def test_the_command_line_says_it_in_its_status(kept, capsys):
    assert reference.main(["check"]) == 0
    assert "toy/one: same bytes" in capsys.readouterr().err
    assert reference.main(["summary"]) == 0
    assert capsys.readouterr().err.startswith("Against the reference results: 2 figures")
    assert reference.main(["check", "--scale", "paper"]) == 1
    assert "those of scale 'embedded', this is 'paper'. Add --config" in capsys.readouterr().err
    kept.edit("papers/toy/figures/two.csv", "1.0", "1.5")
    assert reference.main(["check", "toy"]) == 1
    assert "toy/two: differs" in capsys.readouterr().err
    assert reference.main(["summary", "toy"]) == 0
    assert "What differs: snakemake -j2 check" in capsys.readouterr().err
    assert reference.main(["write", "toy"]) == 1  # the table is not that of its provenance
    kept.table("papers/toy/figures/two.csv", TWO.replace("1.0", "1.5"), by="figure-two.ipynb")
    assert reference.main(["write"]) == 0
    assert reference.main(["check"]) == 0
    files.write_text("config.yaml", "scale: paper\n")
    capsys.readouterr()
    assert reference.main(["summary"]) == 0
    assert capsys.readouterr().err == ""
