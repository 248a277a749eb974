"""An outcome follows from numbers and a rule, and from nothing else."""

import dataclasses
import math

import pandas as pd
import pytest

from common import files
from common.report import claims
from common.report.claims import at_least, at_most, close_to, greater, less, not_testable
from common.report.statistics import mean_interval


def claim(rule, ours=None, **options):
    values = {"statement": "It works.", "source": "Table 1", "evidence": claims.PAPER}
    return claims.Claim(**(values | {"rule": rule, "ours": ours} | options))


@pytest.mark.parametrize(
    ("rule", "yes", "straddling", "no"),
    [
        (greater(0.5), (0.7, 0.6, 0.8), (0.6, 0.4, 0.8), (0.3, 0.2, 0.4)),
        (greater(0.5, margin=0.1), (0.7, 0.61, 0.8), (0.7, 0.6, 0.8), (0.5, 0.4, 0.6)),
        (greater((0.5, 0.4, 0.6)), (0.8, 0.7, 0.9), (0.7, 0.55, 0.9), (0.35, 0.3, 0.4)),
        (less(0.5), (0.3, 0.2, 0.4), (0.4, 0.2, 0.6), (0.7, 0.6, 0.8)),
        (less((0.5, 0.4, 0.6), margin=0.1), (0.2, 0.1, 0.29), (0.2, 0.1, 0.31), (0.6, 0.5, 0.7)),
        (at_least(0.5), (0.6, 0.5, 0.7), (0.6, 0.49, 0.7), (0.4, 0.3, 0.45)),
        (at_most(0.5), (0.4, 0.3, 0.5), (0.4, 0.3, 0.51), (0.6, 0.55, 0.7)),
        (close_to(0.5, tolerance=0.1), (0.5, 0.4, 0.6), (0.5, 0.3, 0.55), (0.8, 0.7, 0.9)),
        (close_to(0.5, tolerance=0.1), (0.5, 0.4, 0.6), (0.45, 0.3, 0.7), (0.1, 0.0, 0.3)),
    ],
)
def test_each_rule_in_each_direction(rule, yes, straddling, no):
    assert claim(rule, yes).outcome == claims.REPRODUCED
    assert claim(rule, straddling).outcome == claims.INCONCLUSIVE
    assert claim(rule, no).outcome == claims.CONTRADICTED


@pytest.mark.parametrize("ours", [(0.4, 0.2, 0.6), (0.6, 0.4, 0.8)])
def test_an_interval_across_the_threshold_is_inconclusive_wherever_its_value_lies(ours):
    assert claim(greater(0.5), ours).outcome == claims.INCONCLUSIVE


def test_two_overlapping_intervals_are_inconclusive_in_both_directions():
    other = (0.5, 0.4, 0.6)
    for rule in (greater(other), less(other)):
        assert claim(rule, (0.55, 0.45, 0.65)).outcome == claims.INCONCLUSIVE


def test_an_inconclusive_claim_says_how_much_data_would_decide():
    # The half width is twice the distance to the threshold: four times the units bring it there.
    wide = (0.625, 0.375, 0.875)
    assert "about 40 units instead of 10 would decide" in claim(greater(0.5), wide, n=10).reason
    assert "about 4 times as much data would decide" in claim(greater(0.5), wide).reason
    barely = (0.51, 0.4999, 0.5201)
    assert "slightly more data would decide" in claim(greater(0.5), barely).reason
    # Where the interval is just wide enough, n + 1 units would decide.
    assert "about 11 units instead of 10" in claim(greater(0.5), barely, n=10).reason
    assert "our value lies on it" in claim(greater(0.5), (0.5, 0.4, 0.6)).reason
    assert "far more data" in claim(greater(0.5), (0.5 + 1e-9, 0.4, 0.6), n=10).reason


@pytest.mark.parametrize(
    ("rule", "border"),
    [
        (greater(0.5), 0.5),
        (greater((0.5, 0.4, 0.6), margin=0.25), 0.75),
        (less(0.5), 0.5),
        (less((0.5, 0.4, 0.6), margin=0.25), 0.25),
        (at_least(0.5), 0.5),
        (at_most(0.5), 0.5),
        (close_to(0.5, tolerance=0.25), 0.75),
        (close_to(0.5, tolerance=0.25), 0.25),
    ],
)
@pytest.mark.parametrize("value", [-0.125, 0.125])
@pytest.mark.parametrize("sides", [(0.25, 0.25), (0.25, 0.1875), (0.1875, 0.25)])
def test_the_units_that_would_decide_follow_from_the_nearest_border(rule, border, value, sides):
    # The longer side is twice the distance: an interval shrinks by the root of the units.
    value += border
    found = claim(rule, (value, value - sides[0], value + sides[1]), n=10)
    assert found.outcome == claims.INCONCLUSIVE
    assert "about 40 units instead of 10 would decide" in found.reason


@pytest.mark.parametrize(
    ("ratio", "n", "much"),
    [
        (1.04, None, "slightly more data"),
        (1.06, None, "about 1.1 times as much data"),
        (99, None, "about 9.8e+03 times as much data"),
        (101, None, "far more data"),
        (400, 6, "about 960000 units instead of 6"),
        (99, 103, "about 9.8e+03 times as much data"),
        (400, 7, "far more data"),
    ],
)
def test_the_words_for_how_much_data_would_decide(ratio, n, much):
    """Squares of 1.04 and 1.06 lie about 1.1; those of 99 and 101 about 10,000."""
    ours = (1.0, 1.0 - ratio, 1.0 + ratio)
    assert f"; {much} would decide" in claim(greater(0), ours, n=n).reason


def test_what_is_read_from_published_tables_is_never_reproduced():
    def outcome(ours):
        return claim(greater(0), ours, evidence=claims.PUBLISHED).outcome

    assert outcome((0.2, 0.1, 0.3)) == "holds in the published tables"
    assert outcome((-0.2, -0.3, -0.1)) == "does not hold in the published tables"
    assert outcome((0.1, -0.1, 0.3)) == claims.INCONCLUSIVE


def test_better_than_published_is_no_reproduction_and_asks_for_an_explanation():
    def judged(ours, better="lower", because=""):
        return claim(close_to(2.75, tolerance=0.1, better=better, because=because), ours)

    assert judged((2.7, 2.66, 2.8)).outcome == claims.REPRODUCED
    found = judged((1.58, 1.5, 1.7))
    assert (found.outcome, found.reason) == (claims.BETTER, "1.58 [1.5, 1.7]: unexplained")
    assert judged((1.58, 1.5, 1.7), because="finer grid").reason.endswith(": finer grid")
    assert judged((1.58, 1.5, 1.7), better="higher").outcome == claims.CONTRADICTED
    # What is read in a paper's own table is no better than published.
    theirs = dataclasses.replace(found, evidence=claims.PUBLISHED)
    assert (theirs.outcome, theirs.reason) == (
        claims.HOLDS, "1.58 [1.5, 1.7]: holds, by more than asked",
    )  # fmt: skip
    assert judged((1.58, 1.5, 1.7), better=None).outcome == claims.CONTRADICTED
    assert judged((3.1, 3.0, 3.2)).outcome == claims.CONTRADICTED
    assert judged((2.6, 2.5, 2.7)).outcome == claims.INCONCLUSIVE


def test_touching_the_threshold_is_not_greater():
    assert claim(greater(0.5), 0.5).outcome == claim(less(0.5), 0.5).outcome == "contradicted"
    assert claim(at_least(0.5), 0.5).outcome == claim(at_most(0.5), 0.5).outcome == "reproduced"


def test_decimal_tolerances_hold_their_bounds():
    # 0.65 - 0.55 > 0.1 in binary.
    assert claim(close_to(0.55, tolerance=0.1), 0.65).outcome == "reproduced"
    assert claim(close_to(0.55, tolerance=0.1), 0.6500001).outcome == "contradicted"
    assert claim(close_to(3, tolerance=0), 3).outcome == "reproduced"
    # 2 (0.1 + 0.2) > 0.6 in binary, and the published value and its tolerance cancel.
    assert claim(close_to(-0.3, tolerance=0.3), -2 * (0.1 + 0.2)).outcome == "reproduced"


def test_intervals_come_from_statistics():
    assert claim(greater(0), mean_interval([0.1, 0.2, 0.3])).outcome == claims.INCONCLUSIVE
    assert claim(greater(0), mean_interval([0.19, 0.2, 0.21])).outcome == claims.REPRODUCED


@pytest.mark.parametrize("ours", [None, 0.5, (0.5, 0.4, 0.6)])
def test_not_testable_gives_its_reason(ours):
    found = claim(not_testable("needs TUSZ"), ours)
    assert (found.outcome, found.reason) == ("not testable at this scale", "needs TUSZ")


def test_an_outcome_cannot_be_typed_in():
    with pytest.raises(TypeError, match="outcome"):
        claim(greater(0), 1, outcome="reproduced")
    with pytest.raises(AttributeError):
        claim(greater(0), 1).outcome = "reproduced"
    with pytest.raises(dataclasses.FrozenInstanceError):
        claim(greater(0), 1).ours = 2


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (greater(0.5), "ours with its interval is greater than 0.5"),
        (
            greater((0.5, 0.4, 0.6), margin=0.1, name="sliding window"),
            "ours with its interval is greater than sliding window (0.5 [0.4, 0.6]) "
            "by more than 0.1",
        ),
        (less(2), "ours with its interval is less than 2"),
        (at_least(0.5), "ours with its interval is at least 0.5"),
        (at_most(0.5), "ours with its interval is at most 0.5"),
        (close_to(0.525, tolerance=0.05), "ours with its interval is within 0.05 of 0.525"),
    ],
)
def test_rules_in_words(rule, words):
    assert rule.words == words


TWO = [
    claim(greater(0), (0.1, 0.04, 0.16), unit="F1 | event", published=0.525),
    claim(not_testable("needs TUSZ"), statement="Seizures.", published="best"),
]


def test_table_has_fixed_columns_and_all_claims():
    table = claims.table([*TWO, claim(at_least(1), 0, statement="Fails.")])
    assert tuple(table.columns) == claims.COLUMNS
    assert table["outcome"].tolist() == [
        "reproduced",
        "not testable at this scale",
        "contradicted",
    ]
    assert set(table["evidence"]) == {claims.PAPER}
    assert table.loc[0, ["ours", "low", "high"]].tolist() == [0.1, 0.04, 0.16]
    assert table.loc[2, "ours"] == 0
    assert table.loc[[1, 2], ["low", "high"]].isna().all(axis=None)


def test_written_table_reads_back(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    written = claims.write("claims.csv", TWO, paper="dance", scale="embedded")
    read = files.read_csv("claims.csv")
    assert list(read.columns) == ["paper", "scale", *claims.COLUMNS]
    assert set(read["paper"]) == {"dance"}
    assert set(read["scale"]) == {"embedded"}
    assert read["published"].tolist() == [0.525, "best"]
    pd.testing.assert_series_equal(read["outcome"], written["outcome"], check_dtype=False)
    before = files.sha256("claims.csv")
    claims.write("claims.csv", TWO, paper="dance", scale="embedded")
    assert files.sha256("claims.csv") == before


def test_at_the_smoke_scale_no_claim_is_testable(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)
    written = claims.write("claims.csv", TWO, paper="dance", scale="smoke")
    assert set(written["outcome"]) == {"not testable at this scale"}
    assert set(written["reason"]) == {"the smoke scale is too small to test any claim"}
    assert set(written["rule"]) == {""}
    assert written["statement"].tolist() == [one.statement for one in TWO]
    text = claims.to_markdown(TWO, scale="smoke")
    assert "reproduced" not in text
    assert text.count("the smoke scale is too small") == 2
    # Made from the same claims, the other scales' tables are judged as before.
    assert "reproduced" in set(claims.write("c.csv", TWO, paper="dance", scale="paper")["outcome"])


def test_markdown_has_one_row_a_claim_and_escapes_bars():
    text = claims.to_markdown(TWO)
    lines = text.splitlines()
    assert len(lines) == 4
    assert lines[2] == (
        "| It works. | Table 1 | paper's data or simulation | 0.525 "
        "| 0.1 [0.04, 0.16] F1 \\| event "
        "| ours with its interval is greater than 0 | **reproduced** | holds |"
    )
    assert lines[3].endswith("|  |  | **not testable at this scale** | needs TUSZ |")
    assert text._repr_markdown_() == text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: claim(greater(0), math.nan), "our value of 'It works.' holds nan.*not_testable"),
        (lambda: claim(greater(0), (1, 0, math.inf)), "our value of 'It works.' holds inf"),
        (lambda: claim(greater(0)), "our value of 'It works.' is missing.*not_testable"),
        (lambda: claim(greater(0), "0.5 or so"), "must be a number, got '0.5 or so'|number or"),
        (lambda: claim(greater(0), (1, 2)), r"number or \(value, low, high\), got \(1, 2\)"),
        (lambda: claim(greater(0), (1, 2, 3)), r"is 1, outside its interval \[2, 3\]. The order"),
        (lambda: claim(greater(0), 1, published=math.nan), "published value of .* holds nan"),
        (lambda: claim(greater(0), 1, statement=" "), "a claim needs a statement"),
        (lambda: claim(greater(0), 1, source=""), "a claim needs a source"),
        (lambda: claim("reproduced", 1), r"the rule of 'It works.' is 'reproduced'; use greater"),
        (
            lambda: claim(greater(0), 1, evidence="data"),
            "evidence of 'It works.' is 'data'; it is one",
        ),
        (lambda: claim(greater(0), 1, n=0), "n of 'It works.' is 0; it counts units"),
        (lambda: claim(greater(0), 1, n=2.5), "n of 'It works.' is 2.5; it counts units"),
        (lambda: close_to(1, tolerance=1, better="up"), "'lower', 'higher' or None, got 'up'"),
        (lambda: greater(math.nan), "than holds nan"),
        (lambda: greater(0, margin=-1), "margin must not be negative, got -1"),
        (lambda: less(None), "than must be a number, got None"),
        (lambda: at_least("high"), "threshold must be a number, got 'high'"),
        (lambda: at_most(math.inf), "threshold holds inf"),
        (lambda: close_to(math.nan, tolerance=1), "published holds nan"),
        (lambda: close_to(1, tolerance=-0.1), "tolerance must not be negative, got -0.1"),
        (lambda: not_testable(" "), "not_testable needs a reason"),
        (lambda: claims.table([]), "at least one claim, got none"),
        (lambda: claims.table([TWO[0], TWO[0]]), "found twice: 'It works.'"),
    ],
)
def test_errors_say_what_and_how_to_go_on(call, message):
    with pytest.raises(ValueError, match=message):
        call()
