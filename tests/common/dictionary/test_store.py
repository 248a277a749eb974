import numpy as np
import pytest

from common import files
from common.dictionary.store import EventSet, read_event_set, write_event_set

FULL = dict(
    names=("slow", "fast"),
    events=(np.array([0.5, 1.25, 1.25]), np.zeros(0)),
    end_time=10.0,
    driver_names=("tone",),
    drivers=(np.array([0.0, 10.0]),),
    waveforms=(np.arange(4.0), np.arange(3.0)),
    sfreqs=(100.0, 350.0),
    anchors=(0.0, 0.005),
    topographies=np.arange(6.0).reshape(2, 3),
    positions=np.arange(6.0).reshape(3, 2),
    simulated=True,
    truth=np.full((3, 2, 1), 0.25),
)


@pytest.mark.parametrize("kept", [tuple(FULL), ("names", "events", "end_time")])
def test_what_is_written_is_read_back(kept, tmp_path):
    # Parts of different lengths, one empty; and a set with nothing but events.
    written = EventSet(**{name: FULL[name] for name in kept})
    write_event_set(tmp_path / "set.npz", written)
    found = read_event_set(tmp_path / "set.npz")
    for name in FULL:
        before, after = getattr(written, name), getattr(found, name)
        assert type(after) is type(before)
        np.testing.assert_equal(after, before)


def test_what_is_unknown_is_nan():
    found = EventSet(
        names=("a",), events=([1.0],), end_time=2.0, driver_names=("x",), drivers=([],)
    )
    assert found.truth.shape == (3, 1, 1) and np.isnan(found.truth).all()
    assert found.topographies.shape == (1, 0) and found.positions.shape == (0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("slow",)}, "events has 2 part"),
        ({"events": ([11.0], [])}, "'slow' has the time 11 s, outside"),
        ({"events": ([], [np.nan])}, "'fast' has the time nan s"),
        ({"drivers": ([3.0, 2.0],)}, "'tone' go back from 3 to 2 s"),
        ({"sfreqs": (100.0,)}, "2 waveforms, 1 sfreqs and 2 anchors"),
        ({"topographies": np.zeros((2, 4))}, r"topographies must have shape \(2, 3\)"),
        ({"positions": np.zeros((3, 3))}, r"positions must have shape \(3, 2\)"),
        ({"truth": np.zeros((3, 1, 2))}, r"truth must have shape \(3, 2, 1\)"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        EventSet(**FULL | change)


def test_missing_file_says_how_to_build_it(tmp_path):
    with pytest.raises(files.NotBuiltError, match="not built yet"):
        read_event_set(tmp_path / "none.npz")
