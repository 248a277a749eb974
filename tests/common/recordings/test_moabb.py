"""MOABB recordings, with its generator of fake data: nothing is downloaded."""

import numpy as np
import pytest

from common.recordings import events_from_raw, read_moabb

fake = pytest.importorskip("moabb.datasets.fake")


@pytest.fixture
def dataset():
    return fake.FakeDataset(
        n_subjects=2, n_sessions=2, n_runs=1, duration=60, n_events=12, seed=0, sfreq=128
    )


def test_runs_in_order_with_spans(dataset):
    raws = read_moabb(dataset, 1)
    assert len(raws) == 2
    assert raws[1].info["description"].endswith("subject 1, session 1, run 0")
    for raw in raws:
        assert raw.get_channel_types() == ["eeg"] * 3
        events = events_from_raw(raw)
        assert events["label"].value_counts().to_dict() == {"fake1": 4, "fake2": 4, "fake3": 4}
        np.testing.assert_allclose(events["end"] - events["start"], 3.0)


def test_interval_shifts_the_onset(dataset, monkeypatch):
    triggers = dataset._generate_events(12, 60)
    monkeypatch.setattr(dataset, "_generate_events", lambda *_: triggers)
    before = events_from_raw(read_moabb(dataset, 1)[0])
    dataset.interval = [2, 3]
    after = events_from_raw(read_moabb(dataset, 1)[0])
    np.testing.assert_allclose(after["start"] - before["start"], 2.0)
    np.testing.assert_allclose(after["end"] - after["start"], 1.0)


def test_other_durations_are_an_error(dataset, monkeypatch):
    def points(subjects):
        runs = type(dataset).get_data(dataset, subjects)
        for raw in (raw for each in runs[1].values() for raw in each.values()):
            raw.annotations.set_durations(0.0)
        return runs

    monkeypatch.setattr(dataset, "get_data", points)
    with pytest.raises(ValueError, match=r"last 0 to 0 s.*interval \[0, 3\] says 3 s"):
        read_moabb(dataset, 1)


def test_run_without_events_is_an_error(dataset, monkeypatch):
    def bare(subjects):
        runs = type(dataset).get_data(dataset, subjects)
        runs[1]["0"]["0"].set_annotations(None)
        return runs

    monkeypatch.setattr(dataset, "get_data", bare)
    with pytest.raises(ValueError, match="session 0, run 0: none of the events fake1"):
        read_moabb(dataset, 1)


def test_unknown_names(dataset):
    with pytest.raises(ValueError, match="no subject 3; it has 1 to 2"):
        read_moabb(dataset, 3)
    with pytest.raises(ValueError, match=r"no data set 'BI2014x'. Did you mean 'BI2014"):
        read_moabb("BI2014x", 1)
