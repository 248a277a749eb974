"""Configuration files say what is wrong in one line: file, key, value, and what to write."""

import pytest
import yaml

from common import files, papers

SCALES = {
    "embedded": {"seeds": [0, 1], "sizes": {1000: 9}},
    "paper": {"seeds": [0], "sizes": {}},
}
PAPER = {
    "title": "T",
    "authors": ["A"],
    "year": 2025,
    "doi": "10.0/1",
    "summary": "S",
    "preview": "one",
    "figures": {"one": {"title": "O", "caption": "C", "original": 1}},
    "scales": {"embedded": {"seeds": [0]}, "paper": {"seeds": [0, 1]}},
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)

    def write(**changes):
        path = tmp_path / "papers/toy/paper.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(PAPER | changes))

    return write


def error(function, *arguments):
    with pytest.raises(papers.PaperError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_good_file_loads(write):
    write()
    assert papers.load("toy").figures["one"].caption == "C"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sumary": "S"}, "unknown key sumary; did you mean 'summary'?"),
        (
            {"figures": {"one": {"title": "O", "caption": "C", "orignal": 1}}},
            "unknown key figures.one.orignal; did you mean 'original'?",
        ),
        (
            {"figures": {"one": {"title": "O", "caption": "C", "tolerances": [{"relativ": 1}]}}},
            "unknown key figures.one.tolerances.0.relativ; did you mean 'relative'?",
        ),
        ({"figures": {"one": {"title": "O"}}}, "figures.one.caption is required"),
        ({"year": "then"}, "year is 'then', it should be"),
        ({"doi": None}, "doi or arxiv is required"),
        ({"preview": "two"}, "preview 'two' is not listed under figures"),
        ({"recorded": ["on"]}, "recorded 'on' is not listed under figures; did you mean 'one'?"),
        ({"scales": {"embedded": {}}}, "scales.paper is required"),
        (
            {"scales": {"embedded": {}, "paper": {}, "papre": {}}},
            "unknown key scales.papre; did you mean 'paper'?",
        ),
        (
            {"scales": {"embedded": {"seed": 1}, "paper": {"seeds": 1}}},
            "scales.embedded.seed is missing from paper; both scales have the same keys; "
            "did you mean 'seeds'?",
        ),
        (
            {"scales": SCALES | {"smoke": {"seed": [0]}}},
            "scales.smoke.seed is missing from embedded; smoke only says what differs from it; "
            "did you mean 'seeds'?",
        ),
        (
            {"scales": SCALES | {"smoke": {"sizes": {2000: 1}}}},
            "scales.smoke.sizes.2000 is missing from embedded; smoke only says what differs from "
            "it; did you mean '1000'?",
        ),
        (
            {"scales": SCALES | {"smoke": {"sizes": 3}}},
            "scales.smoke.sizes is 3; embedded has a mapping there, so write what differs in it, "
            "or null to leave it out",
        ),
    ],
)
def test_a_mistake_is_one_line(write, changes, expected):
    write(**changes)
    message = error(papers.load, "toy")
    assert message.startswith("papers/toy/paper.yaml: ")
    assert expected in message


def test_broken_yaml_names_the_line(write, tmp_path):
    write()
    (tmp_path / "papers/toy/paper.yaml").write_text("title: T\nyear: [1\n")
    assert "papers/toy/paper.yaml, line 3: not valid YAML" in error(papers.load, "toy")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"scale": "big"},
            "config.yaml: scale is 'big', it should be 'smoke', 'embedded', 'paper' or 'recorded'",
        ),
        ({"device": "gpu"}, "config.yaml: device is 'gpu', it should be 'auto', 'cpu' or 'cuda'"),
        ({"miror": "/x"}, "config.yaml: unknown key miror; did you mean 'mirror'?"),
        ({"folders": {"tusz": 3}}, "config.yaml: folders.tusz is 3, it should be"),
    ],
)
def test_a_configuration_mistake_is_one_line(config, expected):
    assert expected in error(papers.config, config)


def test_the_repositorys_configuration_is_valid():
    papers.config(yaml.safe_load((files.ROOT / "config.yaml").read_text()))


@pytest.mark.parametrize(
    ("scale", "results", "built", "seeds"),
    [
        ("smoke", "results/toy/smoke", "results/toy/smoke", [0]),
        ("embedded", "results/toy/embedded", "results/toy/embedded", [0]),
        ("paper", "results/toy/paper", "results/toy/paper", [0, 1]),
        ("recorded", "papers/toy/recorded", "results/toy/recorded", [0, 1]),
    ],
)
def test_each_scale_has_its_folder_and_settings(write, scale, results, built, seeds):
    write()
    paper = papers.rules("toy", {"scale": scale, "mirror": None})
    assert (paper.results, paper.built, paper.settings) == (results, built, {"seeds": seeds})
    assert paper.figure("one") == "papers/toy/figures/one.svg"
    assert paper.claims == f"{built}/claims.csv"


def test_the_smoke_scale_is_the_embedded_one_with_what_differs(write):
    embedded = {
        "seeds": [0, 1, 2],
        "n_samples": None,
        "datasets": {"a": {"subjects": 4, "steps": [1, 2]}, "b": {"subjects": 4}},
        "kept": {"x": 1},
    }
    smoke = {
        "seeds": [0],  # replaces the list
        "n_samples": 10,
        "datasets": {"a": {"subjects": None}, "b": None},  # no value; and no such entry
    }
    write(scales={"embedded": embedded, "smoke": smoke, "paper": embedded})
    assert papers.rules("toy", {"scale": "smoke"}).settings == {
        "seeds": [0],
        "n_samples": 10,
        "datasets": {"a": {"subjects": None, "steps": [1, 2]}},
        "kept": {"x": 1},
    }
    assert papers.rules("toy", {"scale": "embedded"}).settings == embedded


def test_a_paper_that_is_small_has_no_smoke_scale_of_its_own(write):
    write()
    smoke, embedded = (papers.rules("toy", {"scale": name}) for name in ("smoke", "embedded"))
    assert smoke.settings == embedded.settings


def test_memory_depends_on_the_scale(write):
    write()
    asked = {
        scale: papers.rules("toy", {"scale": scale}).memory(embedded=900, paper=6000)
        for scale in ("smoke", "embedded", "paper", "recorded")
    }
    assert asked == {"smoke": 900, "embedded": 900, "paper": 6000, "recorded": 900}


def test_a_scale_that_is_misspelt_suggests_the_nearest():
    assert error(papers.config, {"scale": "papr"}).endswith("did you mean 'paper'?")


def test_a_notebook_that_cannot_be_read_is_named(write, tmp_path):
    write()
    (tmp_path / "papers/toy/1-train.ipynb").write_text("")
    notebook = papers.rules("toy", {}).notebook("1-train.ipynb")
    message = error(notebook, None)
    assert message.startswith("papers/toy/1-train.ipynb: the file is empty")


def test_a_fingerprint_is_computed_for_the_first_job_of_a_notebook(write, tmp_path, monkeypatch):
    write()
    (tmp_path / "papers/toy/1-train.ipynb").write_text('{"cells": []}')
    asked = []
    monkeypatch.setattr(papers, "fingerprint", lambda path, root: asked.append(path) or "0123")
    notebook = papers.rules("toy", {}).notebook("1-train.ipynb")
    assert asked == []
    assert {notebook(seed) for seed in (0, 1)} == {"papers/toy/1-train.ipynb@0123"}
    assert len(asked) == 1


def test_a_file_is_read_once_as_long_as_it_is_the_same(write, monkeypatch):
    read, read_yaml = [], papers.sources.read_yaml
    monkeypatch.setattr(
        papers.sources, "read_yaml", lambda path: read.append(path) or read_yaml(path)
    )
    write()
    first, second = papers.rules("toy", {}), papers.rules("toy", {})
    assert len(read) == 1
    first.settings["seeds"].append(7)
    assert second.settings == papers.rules("toy", {}).settings == {"seeds": [0]}
    write(title="Other")
    assert papers.rules("toy", {}).paper.title == "Other"


def test_a_missing_notebook_or_figure_suggests_the_nearest(write, tmp_path):
    write()
    (tmp_path / "papers/toy/1-train.ipynb").write_text('{"cells": []}')
    paper = papers.rules("toy", {})
    name, _, code = paper.notebook("1-train.ipynb")(None).partition("@")
    assert name == "papers/toy/1-train.ipynb"
    assert len(code) == 12
    assert "did you mean '1-train.ipynb'?" in error(paper.notebook, "1-trian.ipynb")
    assert "did you mean 'one'?" in error(paper.figure, "oen")


def test_at_the_recorded_scale_only_recorded_tables_are_available(write, tmp_path):
    write()
    tables = {}
    for scale in ("paper", "recorded"):
        paper = papers.rules("toy", {"scale": scale})
        tables[scale] = [f"{paper.results}/{name}.csv" for name in ("one", "two")]
        assert paper.available(tables[scale]) == (tables[scale] if scale == "paper" else [])
    path = tmp_path / tables["recorded"][1]
    path.parent.mkdir(parents=True)
    path.touch()
    assert paper.available(tables["recorded"]) == tables["recorded"][1:]
