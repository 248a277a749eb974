"""Plans: every published cell is in one piece, and no table is taken for whole that is not."""

import pandas as pd
import pytest

from common import files
from common.benchmark import catalogue, plan, published
from common.report import tables

FOLDER = "papers/moabb/published"
PAPER = {
    paradigm: {"datasets": "published", "pipelines": "all"} for paradigm in catalogue.PARADIGMS
}
SMALL = {
    "left_right": {
        "datasets": {
            "FingerMovements": {"subjects": [1]},
            "Simulated-16": {
                "subjects": 3,
                "name": "Simulated",
                "options": {"n_subjects": 16},
                "pipelines": ["MDM", "CSP+LDA"],
            },
        },
        "pipelines": ["CSP+LDA", "MDM", "TS+SVM", "EEGNet_8_2"],
        "training": {"n_epochs": 5},
        "grids": {"TS+SVM": {"svc__C": [1]}},
    }
}


def test_pieces_of_a_small_scale():
    pieces = plan.pieces(SMALL)
    assert list(pieces) == [
        "left_right/FingerMovements/1/quick",
        "left_right/FingerMovements/1/eegnet-8-2",
        "left_right/Simulated-16/1/quick",
        "left_right/Simulated-16/2/quick",
        "left_right/Simulated-16/3/quick",
    ]
    first, network, simulated, *_ = pieces.values()
    assert first["raw"] == ["aeon-finger-movements-train", "aeon-finger-movements-test"]
    assert list(first["pipelines"]) == ["CSP+LDA", "MDM", "TS+SVM"]
    assert first["pipelines"]["TS+SVM"]["grid"]["svc__C"] == [1]
    (arguments,) = network["pipelines"]["EEGNet_8_2"]["steps"][-1].values()
    assert arguments["n_epochs"] == 5
    assert simulated["name"] == "Simulated"
    assert simulated["options"] == {"n_subjects": 16}
    assert simulated["raw"] == []
    assert list(simulated["pipelines"]) == ["MDM", "CSP+LDA"]


def needs_tables(test):
    there = files.resolve(f"{FOLDER}/paper_datasets.csv").is_file()
    return pytest.mark.skipif(not there, reason="the published tables are not here")(test)


@needs_tables
def test_the_papers_scale_covers_every_published_cell():
    sets = files.read_csv(f"{FOLDER}/paper_datasets.csv")
    cells = published.load(f"{FOLDER}/within_session_long.csv")
    pieces = plan.pieces(PAPER, sets=sets)
    # A pipeline is in one piece of its data set and subject.
    found = [
        (piece["paradigm"], piece["dataset"], piece["subject"], name)
        for piece in pieces.values()
        for name in piece["pipelines"]
    ]
    assert len(found) == len(set(found))
    n_subjects = dict(zip(sets["dataset"], sets["n_subjects"], strict=True))
    by_cell = list(cells[["paradigm", "dataset", "pipeline"]].itertuples(index=False, name=None))
    assert {(paradigm, dataset, name) for paradigm, dataset, _, name in found} == set(by_cell)
    assert len(found) == sum(n_subjects[dataset] for _, dataset, _ in by_cell)


@needs_tables
def test_subjects_of_the_papers_data_sets():
    sets = files.read_csv(f"{FOLDER}/paper_datasets.csv")
    assert len(sets) == 36
    pieces = plan.pieces(PAPER, sets=sets)
    subjects = {}
    for piece in pieces.values():
        subjects.setdefault(piece["dataset"], set()).add(piece["subject"])
    counts = {name: len(found) for name, found in subjects.items()}
    assert counts == dict(zip(sets["dataset"], sets["n_subjects"], strict=True))
    assert subjects["EPFLP300"] == {1, 2, 3, 4, 6, 7, 8, 9}


def test_an_interrupted_evaluation_is_not_complete(tmp_path):
    contracts = plan.contracts(SMALL, "left_right")
    assert list(contracts) == ["FingerMovements", "Simulated-16"]
    one = contracts["Simulated-16"]
    assert one["contract"] == {
        "dataset": ["Simulated-16"], "subject": [1, 2, 3], "pipeline": ["MDM", "CSP+LDA"],
    }  # fmt: skip
    pieces, parts = plan.pieces(SMALL), []
    for i, key in enumerate(one["parts"]):
        piece = pieces[key]
        rows = [
            {"dataset": piece["dataset"], "subject": piece["subject"], "pipeline": name}
            for name in piece["pipelines"]
        ]
        parts.append(tmp_path / f"{i}.csv")
        pd.DataFrame(rows).to_csv(parts[-1], index=False)
    whole = tables.gather(parts, contract=one["contract"])
    assert len(whole) == 6
    with pytest.raises(ValueError, match="no row for dataset=Simulated-16, subject=3, pipeline="):
        tables.gather(parts[:-1], contract=one["contract"])
    cut = pd.read_csv(parts[0]).iloc[:1]
    cut.to_csv(parts[0], index=False)
    with pytest.raises(ValueError, match=r"subject=1, pipeline=CSP\+LDA"):
        tables.gather(parts, contract=one["contract"])


def changed(**changes):
    one = SMALL["left_right"]
    return {"left_right": {**one, **changes}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"leftright": SMALL["left_right"]}, "no paradigm 'leftright'. Did you mean 'left_right'"),
        (changed(subjects=[1]), "left_right has an unknown key 'subjects'"),
        ({"p300": {"datasets": {}}}, "p300 lacks pipelines"),
        (changed(pipelines=["MDN"]), "no pipeline 'MDN'. Did you mean 'MDM'"),
        (changed(pipelines=["SSVEP_CCA"]), "SSVEP_CCA is no pipeline of left_right; these are"),
        (changed(grids={"TS+SMV": {}}), r"no pipeline 'TS\+SMV'"),
        (changed(datasets={"D": {}}), "left_right, D lacks subjects"),
        (changed(datasets={"D": {"subjects": 0}}), "left_right, D: no subject"),
        (changed(datasets={"D": {"subjects": 1, "option": {}}}), "unknown key 'option'"),
        (changed(datasets="published"), "published data sets need sets"),
    ],
)
def test_mistakes_in_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        plan.pieces(settings)


def test_contracts_of_a_paradigm_that_is_not_there():
    with pytest.raises(ValueError, match="the settings have no p300; they have left_right"):
        plan.contracts(SMALL, "p300")
    with pytest.raises(ValueError, match="no paradigm 'p30'"):
        plan.contracts(SMALL, "p30")
    some = pd.DataFrame({"dataset": ["BI2012"], "subjects": ["1-25"]})
    with pytest.raises(ValueError, match="sets has no row for BNCI2014_008, BNCI2014_009"):
        plan.pieces({"p300": PAPER["p300"]}, sets=some)
