"""Recordings keep signal and events on one clock, in memory and in files."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import Events, Recording, read_recordings, write_recordings
from common.files import NotBuiltError

SFREQ = 10.0


def make(n_times=100, events=None, *, subject="01", sfreq=SFREQ, n_channels=2):
    """Channel c of sample t is ``1000 c + t``, so that a sample says where it comes from."""
    data = np.arange(n_times) + 1000.0 * np.arange(n_channels)[:, None]
    return Recording(
        subject,
        data,
        sfreq,
        [f"C{i}" for i in range(n_channels)],
        np.arange(2.0 * n_channels).reshape(n_channels, 2),
        Events.empty() if events is None else events,
    )


def cover(events, times):
    """Number of events at each time."""
    inside = (events.start[:, None] <= times) & (times < events.end[:, None])
    return inside.sum(axis=0).tolist()


def test_duration_is_in_seconds_and_channels_are_a_tuple():
    recording = make(105)
    assert recording.duration == 10.5
    assert recording.channels == ("C0", "C1")


@settings(deadline=None)
@given(cut=st.tuples(st.floats(0, 10), st.floats(0, 10)).map(sorted))
def test_a_crop_has_the_samples_and_the_events_of_its_span(cut):
    start, end = cut
    events = Events([0, 2.5, 4], [1, 6, 10], [1, 2, 1])
    first, last = round(start * SFREQ), round(end * SFREQ)
    if first == last:
        with pytest.raises(ValueError, match="cannot crop"):
            make(events=events).crop(start, end)
        return
    part = make(events=events).crop(start, end)
    # The value of a sample is its place in the whole recording.
    assert part.data[0].tolist() == list(range(first, last))
    assert part.duration == pytest.approx((last - first) / SFREQ)
    # Sample by sample (at its middle), the events are those of the whole recording.
    middle = np.arange(last - first) / SFREQ + 0.5 / SFREQ
    assert cover(part.events, middle) == cover(events, middle + first / SFREQ)
    assert all(0 <= s < e for s, e in zip(part.events.start, part.events.end, strict=True))


def test_a_crop_between_samples_keeps_events_on_the_clock_of_the_first_sample():
    # [2.04, 8] starts nearest to sample 20, at 2 s: the event at sample 30 is 10 samples later.
    part = make(events=Events([3], [4], [1])).crop(2.04, 8)
    assert part.data[0, 0] == 20
    assert part.events.start[0] * SFREQ == pytest.approx(10)


def test_a_crop_to_the_whole_changes_nothing():
    recording = make(events=Events([1], [2], [1]))
    part = recording.crop(0, recording.duration)
    assert part.events == recording.events
    assert np.array_equal(part.data, recording.data)
    assert (part.subject, part.sfreq, part.channels) == ("01", SFREQ, ("C0", "C1"))


@pytest.mark.parametrize("span", [(-1, 5), (5, 11), (5, 5), (6, 5), (5.01, 5.02)])
def test_a_crop_that_is_empty_or_outside_is_an_error(span):
    with pytest.raises(ValueError, match=r"cannot crop \[.*\] s from a recording of 10 s"):
        make().crop(*span)


def test_windows_are_the_samples_from_their_starts():
    X = make().windows([0, 9.5, 2.04], 5)
    assert X.shape == (3, 2, 5)
    assert X[:, 0, 0].tolist() == [0, 95, 20]
    assert X[1].tolist() == [[95, 96, 97, 98, 99], [1095, 1096, 1097, 1098, 1099]]
    assert make().windows([], 5).shape == (0, 2, 5)


def test_windows_are_copies():
    recording = make()
    X = recording.windows([0, 0.1], 5)
    X[:] = 0
    assert recording.data[0, 4] == 4


@pytest.mark.parametrize(("starts", "bad"), [([0, 9.6], "9.6"), ([1, -0.2, 3], "-0.2")])
def test_a_window_outside_is_an_error_that_names_it(starts, bad):
    expected = rf"a window of 0.5 s at {bad} s reaches beyond the recording of 01 \(10 s\)"
    with pytest.raises(ValueError, match=expected):
        make().windows(starts, 5)


def test_shapes_and_times_are_checked():
    recording = make()
    with pytest.raises(ValueError, match=r"01 has 2 channel names, data of shape \(3, 5\) and"):
        replace(recording, data=np.zeros((3, 5)))
    with pytest.raises(ValueError, match=r"positions of shape \(1, 2\).*one row of each"):
        replace(recording, positions=np.zeros((1, 2)))
    with pytest.raises(ValueError, match=r"data of shape \(100,\)"):
        replace(recording, data=recording.data[0])
    with pytest.raises(ValueError, match=r"lasts 10 s but has events in \[100, 200\] s.*samples\?"):
        make(events=Events([100], [200], [1]))
    with pytest.raises(ValueError, match=r"has events in \[-1, 2\] s"):
        make(events=Events([-1], [2], [1]))
    assert len(make(events=Events([9], [10.1], [1])).events) == 1  # one sample of rounding


def test_recordings_are_compared_by_identity():
    recording = make()
    assert recording in [make(), recording]
    assert make() != make()


# Files


def same(a, b):
    return (
        (a.subject, a.sfreq, a.channels) == (b.subject, b.sfreq, b.channels)
        and a.events == b.events
        and a.data.dtype == b.data.dtype
        and np.array_equal(a.data, b.data)
        and np.array_equal(a.positions, b.positions)
    )


def test_recordings_read_back_exactly(tmp_path):
    written = [
        make(30, Events([0.123456789], [2.5], [2]), subject="a"),
        replace(make(50, subject="b"), data=make(50).data.astype(np.float32)),
    ]
    write_recordings(tmp_path / "a.npz", written, classes=["spike", "spindle"])
    read, classes = read_recordings(tmp_path / "a.npz")
    assert classes == ("spike", "spindle")
    assert len(read) == 2 and all(map(same, read, written))
    write_recordings(tmp_path / "b.npz", read, classes=classes)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_several_files_are_read_in_order(tmp_path):
    paths = [tmp_path / f"{name}.npz" for name in "ba"]
    for path in paths:
        write_recordings(path, [make(subject=path.stem)], classes=["spike"])
    read, classes = read_recordings(*paths)
    assert [r.subject for r in read] == ["b", "a"] and classes == ("spike",)


def test_places_that_are_not_known_are_equal(tmp_path):
    unknown = [replace(make(), positions=np.full((2, 2), np.nan)) for _ in range(2)]
    write_recordings(tmp_path / "a.npz", unknown, classes=["spike"])
    assert np.isnan(read_recordings(tmp_path / "a.npz")[0][1].positions).all()


def test_recordings_that_do_not_fit_into_one_file(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(ValueError, match=r"no recording to write to .*a\.npz"):
        write_recordings(path, [], classes=["spike"])
    with pytest.raises(ValueError, match=r"01 and 02 differ: 10 Hz, .* against 20 Hz, .*alike"):
        write_recordings(path, [make(), make(subject="02", sfreq=20.0)], classes=["spike"])
    with pytest.raises(ValueError, match=r"01 and 02 differ"):
        write_recordings(path, [make(), make(subject="02", n_channels=3)], classes=["spike"])
    moved = replace(make(subject="02"), positions=np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"01 and 02 have the same channels in different places"):
        write_recordings(path, [make(), moved], classes=["spike"])
    assert not path.exists()


def test_files_that_cannot_be_read_together(tmp_path):
    write_recordings(tmp_path / "a.npz", [make()], classes=["spike"])
    write_recordings(tmp_path / "b.npz", [make()], classes=["spindle"])
    expected = r"b\.npz has classes \('spindle',\), not \('spike',\)"
    with pytest.raises(ValueError, match=expected):
        read_recordings(tmp_path / "a.npz", tmp_path / "b.npz")
    with pytest.raises(NotBuiltError, match=r"c\.npz is not built yet"):
        read_recordings(tmp_path / "c.npz")
