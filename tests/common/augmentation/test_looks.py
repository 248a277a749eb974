import matplotlib
import pytest

from common.augmentation.catalog import AUGMENTATIONS, FAMILIES
from common.augmentation.looks import families, in_order, look
from common.report import figures, palette
from common.workflow import papers

OWN = ["own.amplitude_scale", "own.second", "own.third"]


@pytest.fixture(autouse=True)
def styles():
    """Looks of the paper's augmentations, as its figures get them."""
    methods = papers.load("eeg-augmentation").methods
    with matplotlib.rc_context():
        figures.use_style({name: one.model_dump() for name, one in methods.items()})
        yield


def test_families_hold_what_is_there_in_the_catalogues_order():
    names = ["identity", "sign-flip", "own.amplitude_scale", "time-reverse", "ft-surrogate"]
    assert families(names) == {
        "frequency": ["ft-surrogate"],
        "time": ["time-reverse", "sign-flip"],
        "own": ["own.amplitude_scale"],
    }


def test_all_come_in_one_order_with_the_identity_first():
    names = in_order([*OWN, *reversed(AUGMENTATIONS), "identity"])
    assert names[0] == "identity"
    assert names[-3:] == OWN
    assert set(names) == {*AUGMENTATIONS, "identity", *OWN}


@pytest.mark.parametrize("family", [*FAMILIES.values(), tuple(OWN)])
def test_curves_of_one_panel_differ_in_colour_and_in_marker(family):
    looks = [look(name, own=OWN) for name in ("identity", *family)]
    for cue in ("color", "marker", "label"):
        assert len({one[cue] for one in looks}) == len(looks)


def test_no_two_augmentations_look_alike():
    looks = [look(name, own=OWN) for name in (*AUGMENTATIONS, "identity", *OWN)]
    pairs = {(one["color"], one["marker"]) for one in looks}
    # Equal pairs would be told apart by the label alone.
    assert len(pairs) == len(looks)


def test_an_own_augmentation_has_a_colour_of_the_palette_and_a_readable_name():
    assert look("own.amplitude_scale")["label"] == "amplitude scale (own)"
    assert {look(name, own=OWN)["color"] for name in OWN} <= set(palette.OKABE_ITO.values())


def test_an_unknown_name_is_an_error():
    with pytest.raises(ValueError, match="no look for method 'sign-flop'"):
        look("sign-flop")
