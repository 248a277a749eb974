import copy
import math
import subprocess
import sys
import types

import pandas as pd
import pytest

from common import files
from common.augmentation import catalog, names, plan, training
from common.augmentation.__main__ import main
from common.workflow import papers

PAPER = papers.load("eeg-augmentation").scales.paper
EMBEDDED = papers.load("eeg-augmentation").scales.embedded


def n_fits(settings, experiment, dataset):
    return sum(
        len(plan.fits(job, settings))
        for job in plan.jobs(settings).values()
        if (job["experiment"], job["dataset"]) == (experiment, dataset)
    )


@pytest.mark.parametrize(
    ("experiment", "dataset", "expected"),
    [
        ("curves", "sleep-physionet", 14 * 9 * 10),
        ("curves", "bnci2014-001", 14 * 6 * 9),
        ("search", "sleep-physionet", 11 * 10 * 10),
        ("search", "bnci2014-001", 11 * 10 * 9),
    ],
)
def test_the_paper_has_its_number_of_fits(experiment, dataset, expected):
    assert n_fits(PAPER, experiment, dataset) == expected


def test_the_searches_and_class_gains_are_where_the_paper_has_them():
    sleep, bci = (PAPER["datasets"][name] for name in ("sleep-physionet", "bnci2014-001"))
    assert (sleep["search"]["fraction"], bci["search"]["fraction"]) == (2**-8, 1.0)
    assert (sleep["gains"]["fraction"], bci["gains"]["fraction"]) == (2**-7, 1.0)
    for one in (sleep, bci):
        assert one["gains"]["fraction"] in one["curves"]["fractions"]
        assert one["search"]["magnitudes"] == [k / 10 for k in range(1, 11)]


@pytest.mark.parametrize("settings", [PAPER, EMBEDDED], ids=["paper", "embedded"])
def test_the_fits_of_class_gains_are_among_those_of_the_curves(settings):
    for one in settings["datasets"].values():
        assert one["gains"]["fraction"] in one["curves"]["fractions"]


@pytest.mark.parametrize("settings", [PAPER, EMBEDDED], ids=["paper", "embedded"])
def test_every_fit_is_in_one_job(settings):
    for experiment in plan.EXPERIMENTS:
        for dataset, contract in plan.contracts(settings, experiment).items():
            found = [
                (fit["augmentation"], fit["fold"], fit["seed"], fit["fraction"], fit["magnitude"])
                for job in plan.jobs(settings).values()
                if (job["experiment"], job["dataset"]) == (experiment, dataset)
                for fit in plan.fits(job, settings)
            ]
            expected = 1
            for values in contract.values():
                expected *= len(values)
            assert len(set(found)) == len(found) == expected


def test_every_augmentation_is_paired_with_the_identity():
    for experiment in plan.EXPERIMENTS:
        for dataset in EMBEDDED["datasets"]:
            assert plan.augmentations(EMBEDDED, dataset, experiment)[0] == "identity"


def test_the_names_are_the_catalogues():
    assert names.FAMILIES == catalog.FAMILIES
    assert names.IDENTITY == catalog.IDENTITY
    with_parameter = {n for n, entry in catalog.AUGMENTATIONS.items() if entry.parameter}
    assert set(names.PARAMETRIC) == with_parameter
    assert {*names.PARAMETRIC, *names.FIXED} == set(catalog.AUGMENTATIONS)


def test_an_own_augmentation_gets_jobs_of_its_own_and_repeats_nothing():
    settings = copy.deepcopy(EMBEDDED)
    settings["own"] = ["own.amplitude_scale"]
    before, after = plan.jobs(EMBEDDED), plan.jobs(settings)
    added = {name: job for name, job in after.items() if name not in before}
    assert {name: after[name] for name in before} == before
    assert {tuple(job["augmentations"]) for job in added.values()} == {("own.amplitude_scale",)}
    assert {job["dataset"] for job in added.values()} == set(EMBEDDED["datasets"])
    assert {job["experiment"] for job in added.values()} == {"curves"}  # it has no parameter
    contract = plan.contracts(settings, "curves")["sleep-wake"]
    assert "own.amplitude_scale" in contract["augmentation"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"own": ["amplitude_scale"]}, "'amplitude_scale' must be written own.<function>"),
        ({"augmentations": ["sign-flop"]}, "unknown augmentation 'sign-flop'.*mean 'sign-flip'"),
        ({"per_job": {"augmentations": 0, "folds": 1}}, "per_job must be at least 1, got 0"),
    ],
)
def test_mistakes_in_the_settings_are_errors(change, message):
    settings = copy.deepcopy(EMBEDDED)
    one = settings["datasets"]["sleep-wake"]
    for key, value in change.items():
        ({"own": settings, "augmentations": one}.get(key, one["curves"]))[key] = value
    with pytest.raises(ValueError, match=message):
        plan.jobs(settings)


@pytest.fixture
def known_cost(monkeypatch):
    monkeypatch.setattr(plan, "cost", lambda one, device: lambda fraction: 3600.0)
    monkeypatch.setattr(plan, "read_timings", lambda name, scale: None)


def test_the_table_adds_up(known_cost):
    table = plan.table("eeg-augmentation", "paper")
    assert table["fits"].sum() == 1260 + 756 + 1100 + 990
    assert table["jobs"].sum() == len(plan.jobs(PAPER))
    assert table["hours"].sum() == pytest.approx(table["fits"].sum())
    assert set(table["estimate"]) == {"calibration", "fits of curves"}


def test_timed_fits_take_the_place_of_a_calibration(known_cost):
    one = EMBEDDED["datasets"]["sleep-wake"]
    fractions = one["curves"]["fractions"]
    timings = pd.DataFrame(
        {"experiment": "curves", "dataset": "sleep-wake", "fraction": fractions, "seconds": 72.0}
    )
    table = plan.table("eeg-augmentation", "embedded", timings=timings).set_index(
        ["experiment", "dataset"]
    )
    row = table.loc["curves", "sleep-wake"]
    assert row["estimate"] == "timed fits"
    assert row["hours"] == pytest.approx(row["fits"] * 72 / 3600)
    assert table.loc["search", "sleep-wake"]["estimate"] == "calibration"
    partly = timings[timings["fraction"] < 1]
    table = plan.table("eeg-augmentation", "embedded", timings=partly)
    assert set(table["estimate"]) == {"calibration", "fits of curves"}


def test_timings_are_those_of_finished_jobs(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    assert plan.read_timings("toy", "embedded") is None
    folder = "results/toy/embedded/timings"
    for name, seconds in (("b.csv", 2.0), ("deep/a.csv", 1.0), (".half-written.csv", 9.0)):
        files.write_csv(f"{folder}/{name}", pd.DataFrame({"seconds": [seconds]}))
    files.write_json(f"{folder}/b.json", {})
    assert sorted(plan.read_timings("toy", "embedded")["seconds"]) == [1.0, 2.0]


def test_the_command_prints_the_plan(known_cost, capsys):
    assert main(["plan", "--scale", "paper"]) == 0
    printed = capsys.readouterr().out
    for number in ("1260", "756", "1100", "990", "4106", "4106.0 h"):
        assert number in printed


def test_the_command_tells_the_share_of_augmentation(known_cost, monkeypatch, capsys):
    timings = pd.DataFrame(
        {
            "experiment": "curves", "dataset": "sleep-wake", "fraction": 1.0,
            "seconds": [3.0, 1.0], "augmentation_seconds": [0.5, 0.5],
        }
    )  # fmt: skip
    monkeypatch.setattr(plan, "read_timings", lambda name, scale: timings)
    assert main(["plan", "--scale", "embedded"]) == 0
    assert "timed fits: 2, of whose time 25.0% was spent in augmentation" in capsys.readouterr().out


def test_the_command_reports_an_unknown_study(capsys):
    assert main(["plan", "--study", "eeg-augmentatoin"]) == 1
    assert "papers/eeg-augmentatoin/paper.yaml: does not exist" in capsys.readouterr().err


def test_a_calibration_recovers_known_times(monkeypatch):
    one = copy.deepcopy(EMBEDDED["datasets"]["finger-movements"])
    shape, size = one["shape"], training.RECIPES[one["task"]].batch_size
    clock = types.SimpleNamespace(now=1000.0)

    def fit(network, train, valid, **options):
        # 2 s a training step, and half a second for a validation example where there are many.
        seconds = 2.0 * math.ceil(len(train[0]) / size)
        seconds += 0.5 * len(valid[0]) * (len(valid[0]) > 1)
        clock.now += seconds
        return types.SimpleNamespace(seconds=seconds)

    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(plan, "time", types.SimpleNamespace(perf_counter=lambda: clock.now))
    steps = math.ceil(0.5 * shape["n_train"] / size)
    expected = shape["epochs"] * (2.0 * steps + 0.5 * shape["n_valid"])
    assert plan.cost(one)(0.5) == pytest.approx(expected)


def test_a_calibration_grows_with_the_fraction():
    one = copy.deepcopy(EMBEDDED["datasets"]["finger-movements"])
    seconds = plan.cost(one)
    assert 0 < seconds(0.25) < seconds(1.0) <= 4.5 * seconds(0.25)


def test_rules_and_figures_do_not_load_torch():
    # The rules are read at every start of the workflow, and a figure has better things to do.
    code = "import sys; from common.augmentation import gains, looks, plan; "
    code += "print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=files.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
