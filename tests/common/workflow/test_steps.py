"""What a paper's rules use: settings by their places, files by what they are, needs by scale."""

import json
from types import SimpleNamespace

import pytest
import yaml

from common import files
from common.workflow import papers, steps

PAPER = {
    "title": "T",
    "authors": ["A"],
    "year": 2025,
    "doi": "10.0/1",
    "summary": "S",
    "methods": {"a": {"label": "A", "color": "blue", "marker": "o"}},
    "figures": {
        "one": {
            "title": "O",
            "caption": "C",
            "reads": {
                "scores": "tables/scores.csv",
                "published": "published/table.csv",
                "data": "derived/{sets}.npz",
                "parts": "fits/{sets}-{seeds}.csv",
                "shown": "fits/{shown.set}-{shown.seed}.csv",
                "several": ["tables/scores.csv"],
                "raw": "raw/eeghdf-spasms",
            },
            "passes": {
                "label": "shown.label",
                "sizes": "sets.*.size",
                "mine": "sets.{shown.set}.size",
                "number": 3,
                "numbers": [1, 2],
            },
        }
    },
    "claims": {"reads": {"tables": ["tables/{seeds}.csv", "tables/scores.csv"]}},
    "resources": {"fit": {"mem_mb": 900, "paper": {"mem_mb": 6000, "runtime": 60}}},
    "scales": {
        "embedded": {
            "seeds": [0, 1],
            "sets": {"x": {"size": 5}, "y": {"size": 6}},
            "shown": {"set": "y", "seed": 1, "label": "seizure"},
        },
        "paper": {"seeds": [0], "sets": {}, "shown": {}},
    },
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    registry = (files.ROOT / "data/registry.yaml").read_text("utf-8")
    monkeypatch.setattr(files, "ROOT", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/registry.yaml").write_text(registry, "utf-8")

    def write(**changes):
        path = tmp_path / "papers/toy/published/table.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        (tmp_path / "papers/toy/paper.yaml").write_text(yaml.safe_dump(PAPER | changes))
        return lambda scale: steps.of("toy", {"scale": scale, "mirror": None})

    return write


def error(function, *arguments):
    with pytest.raises(papers.PaperError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("scale", "results", "built", "seeds"),
    [
        ("smoke", "results/toy/smoke", "results/toy/smoke", [0, 1]),
        ("embedded", "results/toy/embedded", "results/toy/embedded", [0, 1]),
        ("paper", "results/toy/paper", "results/toy/paper", [0]),
        ("recorded", "papers/toy/recorded", "results/toy/recorded", [0]),
    ],
)
def test_each_scale_has_its_folder_and_settings(write, scale, results, built, seeds):
    paper = write()(scale)
    assert (paper.results, paper.built, paper.settings["seeds"]) == (results, built, seeds)
    assert paper.derived == f"data/derived/toy/{scale}"
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
    of = write(scales={"embedded": embedded, "smoke": smoke, "paper": embedded})
    assert of("smoke").settings == {
        "seeds": [0],
        "n_samples": 10,
        "datasets": {"a": {"subjects": None, "steps": [1, 2]}},
        "kept": {"x": 1},
    }
    assert of("embedded").settings == embedded


def test_what_a_figure_reads_is_filled_in_from_the_settings(write):
    found = write()("embedded").reads("one")
    built = "results/toy/embedded"
    assert found == {
        "scores": f"{built}/tables/scores.csv",
        "published": "papers/toy/published/table.csv",
        "data": ["data/derived/toy/embedded/x.npz", "data/derived/toy/embedded/y.npz"],
        "parts": [f"{built}/fits/{s}-{seed}.csv" for s in "xy" for seed in (0, 1)],
        "shown": f"{built}/fits/y-1.csv",
        "several": [f"{built}/tables/scores.csv"],
        "raw": "data/raw/eeghdf-spasms.h5",
    }


def test_what_a_figure_is_passed_are_settings_by_their_places(write):
    paper = write()("embedded")
    assert paper.passes("one") == {
        "styles": {"a": {"label": "A", "color": "blue", "marker": "o"}},
        "label": "seizure",
        "sizes": {"x": 5, "y": 6},
        "mine": 6,
        "number": 3,
        "numbers": [1, 2],
        "scale": "embedded",
    }
    assert paper.passes("claims") == {"scale": "embedded"}


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ("tables/{seed}.csv", "one.reads.x: there is no setting 'seed'; did you mean 'seeds'?"),
        ("{shown.sed}.csv", "there is no setting 'shown.sed'; did you mean 'seed'?"),
        ("published/tabel.csv", "no file papers/toy/published/tabel.csv; did you mean 'table.csv'"),
        ("raw/eeghdf-spasm", "eeghdf-spasm"),
    ],
)
def test_what_a_figure_cannot_read_is_one_line(write, reads, expected):
    figure = {"title": "O", "caption": "C", "reads": {"x": reads}}
    message = error(write(figures={"one": figure})("embedded").reads, "one")
    assert message.startswith("papers/toy/paper.yaml: figures.one.reads.x: ")
    assert expected in message


def test_one_parameter_cannot_be_several_settings(write):
    figure = {"title": "O", "caption": "C", "passes": {"x": "sets.{seeds}"}}
    message = error(write(figures={"one": figure})("embedded").passes, "one")
    assert "'sets.{seeds}' names several settings; it can pass one" in message


def test_at_the_recorded_scale_a_list_holds_the_files_that_there_are(write, tmp_path):
    of = write()
    assert of("paper").reads("claims")["tables"] == [
        "results/toy/paper/tables/0.csv",
        "results/toy/paper/tables/scores.csv",
    ]
    assert of("recorded").reads("claims")["tables"] == []
    path = tmp_path / "papers/toy/recorded/tables/scores.csv"
    path.parent.mkdir(parents=True)
    path.touch()
    assert of("recorded").reads("claims")["tables"] == ["papers/toy/recorded/tables/scores.csv"]


def test_needs_depend_on_the_scale(write):
    fit = write()("paper").paper.resources["fit"]
    assert fit.at("embedded") == fit.at("recorded") == {"mem_mb": 900, "runtime": 10}
    assert fit.at("paper") == {"mem_mb": 6000, "runtime": 60}


def test_a_notebook_that_cannot_be_read_is_named(write, tmp_path):
    paper = write()("embedded")
    (tmp_path / "papers/toy/1-train.ipynb").write_text("")
    message = error(paper.notebook("1-train.ipynb"), None)
    assert message.startswith("papers/toy/1-train.ipynb: the file is empty")


def test_a_fingerprint_is_computed_for_the_first_job_of_a_notebook(write, tmp_path, monkeypatch):
    paper = write()("embedded")
    (tmp_path / "papers/toy/1-train.ipynb").write_text('{"cells": []}')
    asked = []
    monkeypatch.setattr(steps, "fingerprint", lambda path, root: asked.append(path) or "0123")
    notebook = paper.notebook("1-train.ipynb")
    assert asked == []
    assert {notebook(seed) for seed in (0, 1)} == {"papers/toy/1-train.ipynb@0123"}
    assert len(asked) == 1


def test_a_file_is_read_once_as_long_as_it_is_the_same(write, monkeypatch):
    read, read_yaml = [], papers.sources.read_yaml
    monkeypatch.setattr(
        papers.sources, "read_yaml", lambda path: read.append(path) or read_yaml(path)
    )
    of = write()
    first, second = of("embedded"), of("embedded")
    assert len(read) == 1
    first.settings["seeds"].append(7)
    assert second.settings["seeds"] == of("embedded").settings["seeds"] == [0, 1]
    assert write(title="Other")("embedded").paper.title == "Other"


def test_a_missing_notebook_or_figure_suggests_the_nearest(write, tmp_path):
    paper = write()("embedded")
    (tmp_path / "papers/toy/1-train.ipynb").write_text('{"cells": []}')
    name, _, code = paper.notebook("1-train.ipynb")(None).partition("@")
    assert name == "papers/toy/1-train.ipynb"
    assert len(code) == 12
    assert "did you mean '1-train.ipynb'?" in error(paper.notebook, "1-trian.ipynb")
    assert "did you mean 'one'?" in error(paper.figure, "oen")


@pytest.mark.parametrize("scale", ["smoke", "embedded", "paper"])
@pytest.mark.parametrize("name", papers.names())
def test_every_figure_finds_what_it_reads_and_is_passed(name, scale):
    paper = steps.of(name, {"scale": scale})
    for one in [*paper.figures, "claims"]:
        paper.reads(one)
        assert json.dumps(paper.passes(one))


def test_the_jobs_of_a_paper_are_told_apart_by_their_first_output(write):
    paper = write()("embedded")
    for output, name in [
        ("results/toy/embedded/fits/{set}.csv", "fits/{set}"),
        ("data/derived/toy/embedded/x.npz", "derived/x"),
        ("papers/toy/figures/one.svg", "figures/one"),
        ("elsewhere/a.csv", "elsewhere/a"),
    ]:
        assert steps._name(output, paper) == name


def test_a_setting_is_found_by_a_key_that_is_a_number():
    paper = SimpleNamespace(settings={"n": {1000: 3}})
    assert steps.Steps.setting(paper, "n.1000") == 3
