"""Masks: their geometry, what is counted, and what is refused."""

import mne
import numpy as np
import pytest
from braindecode.models.signal_jepa import _PRETRAIN_CHS_INFO

from common.recordings.electrodes import TEN_TWENTY
from common.selfsupervised.examples import template
from common.selfsupervised.masks import draw_masks, head_positions, inside_ball
from common.selfsupervised.planted import hemisphere

TEN = np.array([one["loc"] for one in template(TEN_TWENTY)])
MANY = head_positions(_PRETRAIN_CHS_INFO)


def draw(positions=TEN, seed=0, **options):
    options = {"radius": 0.8, "n_examples": 300, "n_context": 8, "n_target": 4} | options
    return draw_masks(positions, rng=np.random.default_rng(seed), **options)


def test_a_head_has_radius_one_and_moving_it_changes_nothing():
    sphere = hemisphere(20)
    moved = [{"ch_name": str(i), "loc": 0.09 * p + [0.1, 0, 0.05]} for i, p in enumerate(sphere)]
    assert head_positions(moved) == pytest.approx(sphere, abs=1e-9)


def test_positions_of_mne_are_taken():
    info = mne.create_info(list(TEN_TWENTY), 128.0, "eeg")
    info.set_montage("colin27_1020")
    found = head_positions(info)
    # A head is no sphere: radii differ by a tenth.
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(
    ("radius", "least", "median", "most"), [(0.4, 1, 3, 7), (0.6, 3, 7, 10), (0.8, 7, 13, 17)]
)
def test_balls_on_the_electrodes_of_the_paper_hold_as_many_as_it_is_known(
    radius, least, median, most
):
    held = inside_ball(MANY, radius).sum(axis=1)
    assert (held.min(), np.median(held), held.max()) == (least, median, most)


@pytest.mark.parametrize("filling", ["inside", "reference"])
@pytest.mark.parametrize("radius", [0.8, 1.0, 1.2])
def test_context_lies_outside_and_targets_inside(radius, filling):
    masks = draw(radius=radius, filling=filling, n_contexts=3, n_targets=2)
    apart = np.linalg.norm(TEN[:, None] - TEN[None], axis=-1)
    seen = apart[masks.centre[..., None], masks.context]
    assert (seen >= radius).all()
    hidden = apart[masks.centre[..., None, None], masks.target]
    assert ((hidden < radius) == masks.inside).all()
    if filling == "inside":
        assert (masks.counted == masks.inside).all()
        assert masks.n_outside == 0
    # No channel twice, none both seen and predicted.
    both = np.concatenate([masks.context, masks.target[:, :, 0]], axis=-1)
    assert all(len(set(row)) == both.shape[-1] for row in both.reshape(-1, both.shape[-1]))
    assert masks.context.shape == (300, 3, 8)
    assert masks.target.shape == (300, 3, 2, 4)
    assert masks.counted.any(axis=-1).all()


def test_what_the_reference_takes_from_outside_is_counted():
    masks = draw(MANY, radius=0.4, n_target=8, filling="reference", n_examples=2000)
    held = inside_ball(MANY, 0.4).sum(axis=1)
    assert masks.n_outside == np.maximum(8 - held[masks.centre], 0).sum()
    assert held.max() < 8  # so no list is ever full
    assert masks.counted.all()


def test_every_channel_is_a_centre_equally_often_and_draws_are_uniform():
    masks = draw(n_examples=20_000)
    n = len(TEN)
    counts = np.bincount(masks.centre.ravel(), minlength=n) / 20_000
    # Five standard errors of a share of 1 / 19.
    assert counts == pytest.approx(1 / n, abs=5 * np.sqrt(1 / n / 20_000))
    ball = inside_ball(TEN, 0.8)
    of_first = masks.centre[:, 0] == 0
    outside = np.flatnonzero(~ball[0])
    share = np.bincount(masks.context[of_first, 0].ravel(), minlength=n)[outside] / of_first.sum()
    expected = 8 / len(outside)
    assert share == pytest.approx(expected, abs=5 * np.sqrt(0.25 / of_first.sum()))


def test_the_same_generator_gives_the_same_masks():
    first, again, other = draw(seed=1), draw(seed=1), draw(seed=2)
    assert (first.target == again.target).all()
    assert not (first.context == other.context).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"radius": 1.7}, r"leaves \d+ of 19 channels, fewer than n_context=8"),
        ({"radius": 0.0}, "radius must be above 0"),
        ({"radius": np.nan}, "radius must be"),
        ({"n_target": 0}, "n_target must be"),
        ({"n_target": 20}, "n_target=20 channels cannot be drawn of 19. Use a smaller one"),
        ({"filling": "outside"}, "filling must be one of inside, reference, got 'outside'"),
        ({"n_context": 10, "n_target": 10, "filling": "reference", "radius": 0.5}, "19 channels"),
    ],
)
def test_bad_masks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p * [1, 1, np.nan], r"has no position for a0, a1.*set_montage"),
        (lambda p: p * 0, "has no position for a0"),
        (lambda p: p * [1, 1, 0], "do not span a sphere"),
        (lambda p: p[[0, 0, 1, 2, 3]], "a1 at the position of another channel"),
    ],
)
def test_bad_positions_are_refused(change, message):
    where = change(hemisphere(6))
    channels = [{"ch_name": f"a{i}", "loc": p} for i, p in enumerate(where)]
    with pytest.raises(ValueError, match=message):
        head_positions(channels)
