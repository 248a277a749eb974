"""A paper's claims: the published value, ours with its interval, and a verdict from a stated rule.

A verdict is never typed in: `Claim.verdict` asks the claim's rule, which sees our value only. All
rules judge the whole interval. Where it lies on both sides of the threshold the claim is not
reproduced, and the reason says so.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from common import files
from common.statistics import Interval

__all__ = [
    "COLUMNS",
    "NOT_REPRODUCED",
    "NOT_TESTABLE",
    "REPRODUCED",
    "TOO_SMALL",
    "Claim",
    "Rule",
    "at_least",
    "at_most",
    "close_to",
    "greater",
    "less",
    "not_testable",
    "table",
    "to_markdown",
    "write",
]

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
NOT_TESTABLE = "not testable at this scale"
TOO_SMALL = "the smoke scale is too small to test any claim"

COLUMNS = (
    "statement", "source", "published", "ours", "low", "high", "unit", "rule", "verdict", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """A rule in words, and the test behind them.

    Parameters
    ----------
    words : str
        What must hold of our value, as a reader sees it.
    holds : callable or None
        Maps a number of ours (the value, or a bound of its interval) to a bool; the claim is
        reproduced where it holds for all three. None: the claim cannot be tested.
    """

    words: str
    holds: Callable[[float], bool] | None


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a paper.

    Parameters
    ----------
    statement : str
        What the paper claims, in one sentence.
    source : str
        Where it says so: ``"Table 2"``, ``"abstract"``.
    rule : Rule
        From `greater`, `less`, `at_least`, `at_most`, `close_to` or `not_testable`.
    ours : Interval, tuple (value, low, high), float or None
        A number alone has no uncertainty. None only where the claim is not testable.
    published : str, float or None
    unit : str, default=""

    Attributes
    ----------
    verdict : {"reproduced", "not reproduced", "not testable at this scale"}
    reason : str
        Why, with the numbers.

    Raises
    ------
    ValueError
        If a text is empty, our value is missing or not finite, or the interval does not hold it.

    Examples
    --------
    >>> claim = Claim(
    ...     statement="DANCE finds more events than a sliding window.",
    ...     source="abstract",
    ...     ours=(0.10, 0.04, 0.16),
    ...     unit="difference in F1-event",
    ...     rule=greater(0),
    ... )
    >>> claim.verdict
    'reproduced'
    """

    statement: str
    source: str
    rule: Rule
    ours: Interval | tuple | float | None = None
    published: str | float | None = None
    unit: str = ""

    def __post_init__(self):
        for field in ("statement", "source"):
            if not getattr(self, field).strip():
                raise ValueError(f"a claim needs a {field}: {self!r}")
        if not isinstance(self.rule, Rule):
            raise ValueError(
                f"the rule of {self.statement!r} is {self.rule!r}; "
                "use greater(...), close_to(...), not_testable(...) or another rule."
            )
        if self.published is not None and not isinstance(self.published, str):
            _number(self.published, f"the published value of {self.statement!r}")
        if self.ours is not None:
            _interval(self.ours, f"our value of {self.statement!r}")
        elif self.rule.holds is not None:
            raise ValueError(
                f"our value of {self.statement!r} is missing. Compute it, "
                "or say why it cannot be: rule=not_testable(reason)."
            )

    @property
    def verdict(self):
        return self._judgement[0]

    @property
    def reason(self):
        return self._judgement[1]

    @property
    def _judgement(self):
        if self.rule.holds is None:
            return NOT_TESTABLE, self.rule.words
        ours = _interval(self.ours, "ours")
        text = _text(ours, self.unit)
        if all(map(self.rule.holds, ours)):
            return REPRODUCED, f"{text}: holds"
        if self.rule.holds(ours.value):
            return NOT_REPRODUCED, f"{text}: the value alone meets the rule, its interval does not"
        if any(map(self.rule.holds, ours)):
            return NOT_REPRODUCED, f"{text}: only a part of the interval meets the rule"
        return NOT_REPRODUCED, f"{text}: does not hold"


def greater(than, *, margin=0.0, name=""):
    """Ours exceeds another value: the intervals do not overlap.

    Two methods on the same subjects are better compared by the interval of their paired
    difference, with ``greater(0)``; separate intervals may overlap although it is clear.

    Parameters
    ----------
    than : float, Interval or tuple (value, low, high)
        What ours is compared with.
    margin : float, default=0
        By how much, in the unit of the claim.
    name : str, default=""
        What ``than`` is, for the rule's words.

    Returns
    -------
    rule : Rule
    """
    other = _interval(than, "than")
    threshold = other.high + _not_negative(margin, "margin")
    words = f"ours with its interval is greater than {_named(name, other)}{_by(margin)}"
    return Rule(words, lambda value: value > threshold)


def less(than, *, margin=0.0, name=""):
    """Ours is below another value: the mirror image of `greater`."""
    other = _interval(than, "than")
    threshold = other.low - _not_negative(margin, "margin")
    words = f"ours with its interval is less than {_named(name, other)}{_by(margin)}"
    return Rule(words, lambda value: value < threshold)


def at_least(threshold):
    """The lower bound of ours reaches a number."""
    threshold = _number(threshold, "threshold")
    return Rule(
        f"ours with its interval is at least {threshold:.4g}", lambda value: value >= threshold
    )


def at_most(threshold):
    """The upper bound of ours stays within a number."""
    threshold = _number(threshold, "threshold")
    return Rule(
        f"ours with its interval is at most {threshold:.4g}", lambda value: value <= threshold
    )


def close_to(published, *, tolerance):
    """The whole interval of ours lies within a tolerance of a number.

    This shows equivalence: a wide interval that merely contains the number shows nothing.

    Parameters
    ----------
    published : float
    tolerance : float
        In the unit of the claim; the bounds belong to it.

    Returns
    -------
    rule : Rule
    """
    published = _number(published, "published")
    tolerance = _not_negative(tolerance, "tolerance")
    # 0.5 is meant to be within 0.1 of 0.4, which rounding denies.
    rounding = 4 * math.ulp(abs(published) + tolerance)
    words = f"ours with its interval is within {tolerance:.4g} of {published:.4g}"
    return Rule(words, lambda value: abs(value - published) <= tolerance + rounding)


def not_testable(reason):
    """The claim cannot be tested at this scale.

    Parameters
    ----------
    reason : str
        Why, for example ``"needs TUSZ, which the embedded scale has no copy of"``.

    Returns
    -------
    rule : Rule
    """
    if not reason.strip():
        raise ValueError("not_testable needs a reason: what is missing at this scale?")
    return Rule(reason.strip(), None)


def table(claims, *, scale=None):
    """Claims as a table.

    Parameters
    ----------
    claims : sequence of Claim
    scale : str, optional
        At ``"smoke"`` no claim is testable, whatever its rule.

    Returns
    -------
    table : pandas.DataFrame
        One row a claim, in the order given, with `COLUMNS`. ``low`` and ``high`` are missing
        where ours is a number alone.

    Raises
    ------
    ValueError
        If there is no claim, or a statement stands twice.
    """
    import pandas as pd

    claims = _at(scale, claims)
    if not claims:
        raise ValueError("a paper has at least one claim, got none.")
    statements = [claim.statement for claim in claims]
    twice = sorted({text for text in statements if statements.count(text) > 1})
    if twice:
        raise ValueError(f"each claim stands once, found twice: {twice[0]!r}")
    return pd.DataFrame([_row(claim) for claim in claims], columns=list(COLUMNS))


def write(path, claims, *, paper, scale):
    """Write the claims table of a paper, with the columns ``paper`` and ``scale`` in front.

    Parameters
    ----------
    path : str
        Relative to the repository root.
    claims : sequence of Claim
    paper, scale : str

    Returns
    -------
    table : pandas.DataFrame
        What was written.
    """
    written = table(claims, scale=scale)
    written.insert(0, "paper", paper)
    written.insert(1, "scale", scale)
    files.write_csv(path, written)
    return written


def to_markdown(claims, *, scale=None):
    """Claims as a Markdown table, which a notebook shows when it ends a cell.

    Parameters
    ----------
    claims : sequence of Claim
    scale : str, optional
        As in `table`.

    Returns
    -------
    text : str
    """
    claims = _at(scale, claims)
    table(claims)
    header = ("Claim", "Where", "Published", "Ours", "Rule", "Verdict", "Why")
    rows = [header, ["---"] * len(header)]
    for claim in claims:
        testable = claim.rule.holds is not None
        ours = "" if claim.ours is None else _text(_interval(claim.ours, "ours"), claim.unit)
        rows.append(
            (
                claim.statement,
                claim.source,
                _plain(claim.published),
                ours,
                claim.rule.words if testable else "",
                f"**{claim.verdict}**",
                claim.reason.removeprefix(f"{ours}: ") if testable else claim.reason,
            )
        )
    return _Markdown("\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows))


class _Markdown(str):
    def _repr_markdown_(self):
        return str(self)


def _at(scale, claims):
    if scale != "smoke":
        return list(claims)
    return [replace(claim, rule=not_testable(TOO_SMALL)) for claim in claims]


def _row(claim):
    ours = claim.ours
    value, low, high = _interval(ours, "ours") if hasattr(ours, "__iter__") else (ours, None, None)
    testable = claim.rule.holds is not None
    return {
        "statement": claim.statement,
        "source": claim.source,
        "published": claim.published,
        "ours": value,
        "low": low,
        "high": high,
        "unit": claim.unit,
        "rule": claim.rule.words if testable else "",
        "verdict": claim.verdict,
        "reason": claim.reason,
    }


def _interval(value, name):
    """A number or a triple as an `Interval`, checked."""
    numbers = tuple(value) if hasattr(value, "__iter__") else (value,) * 3
    if len(numbers) != 3:
        raise ValueError(f"{name} must be a number or (value, low, high), got {value!r}.")
    interval = Interval(*(_number(number, name) for number in numbers))
    if not interval.low <= interval.value <= interval.high:
        raise ValueError(
            f"{name} is {interval.value:g}, outside its interval "
            f"[{interval.low:g}, {interval.high:g}]. The order is (value, low, high)."
        )
    return interval


def _number(value, name):
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number, got {value!r}.") from None
    if not math.isfinite(number):
        raise ValueError(
            f"{name} holds {number}; a claim is judged on finite numbers. "
            "Complete the results, write None, or use not_testable(reason)."
        )
    return number


def _not_negative(value, name):
    number = _number(value, name)
    if number < 0:
        raise ValueError(f"{name} must not be negative, got {number:g}.")
    return number


def _named(name, interval):
    return f"{name} ({_text(interval)})" if name else _text(interval)


def _by(margin):
    return f" by more than {margin:.4g}" if margin else ""


def _text(interval, unit=""):
    text = f"{interval.value:.4g}"
    if interval.low != interval.high:
        text += f" [{interval.low:.4g}, {interval.high:.4g}]"
    return f"{text} {unit}".strip()


def _plain(value):
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.4g}"


def _cell(text):
    return " ".join(text.split()).replace("|", "\\|")
