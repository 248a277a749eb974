"""A paper's claims: the published value, ours with its interval, and an outcome by a stated rule.

An outcome is never typed in: `Claim.outcome` asks the claim's rule, which sees our value and its
interval only. A claim is *reproduced* where the whole interval meets the rule, *contradicted* where
no part of it does, and *inconclusive* in between. What is re-read from the paper's own tables is no
reproduction, so its outcomes have names of their own.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from common import files
from common.report.statistics import Interval

__all__ = [
    "BETTER",
    "COLUMNS",
    "CONTRADICTED",
    "EVIDENCE",
    "HOLDS",
    "HOLDS_NOT",
    "INCONCLUSIVE",
    "NOT_TESTABLE",
    "OUTCOMES",
    "PAPER",
    "PUBLISHED",
    "REPRODUCED",
    "STAND_IN",
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

PAPER = "paper's data or simulation"
STAND_IN = "stand-in data"
PUBLISHED = "published tables"
EVIDENCE = (PAPER, STAND_IN, PUBLISHED)
"""What our value rests on."""

REPRODUCED = "reproduced"
BETTER = "better than published"
INCONCLUSIVE = "inconclusive"
CONTRADICTED = "contradicted"
NOT_TESTABLE = "not testable at this scale"
HOLDS = "holds in the published tables"
HOLDS_NOT = "does not hold in the published tables"
OUTCOMES = (REPRODUCED, BETTER, INCONCLUSIVE, CONTRADICTED, NOT_TESTABLE, HOLDS, HOLDS_NOT)

TOO_SMALL = "the smoke scale is too small to test any claim"

COLUMNS = (
    "statement", "source", "evidence", "published", "ours", "low", "high", "unit", "rule",
    "outcome", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Rule:
    """A rule in words, and what meets it: a range of numbers.

    Parameters
    ----------
    words : str
        What must hold of our value, as a reader sees it.
    meets : callable or None
        Whether a whole interval meets the rule. None: the claim cannot be tested.
    violates : callable or None
        Whether a whole interval violates it.
    distance : callable or None
        From a value to the nearest border of the range, in the claim's unit.
    surpasses : callable or None
        Whether a whole interval is better than what was published, beyond its spread.
    because : str, default=""
        What explains a value that is better than published.
    """

    words: str
    meets: Callable[[Interval], bool] | None
    violates: Callable[[Interval], bool] | None = None
    distance: Callable[[float], float] | None = None
    surpasses: Callable[[Interval], bool] | None = None
    because: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim of a paper.

    Parameters
    ----------
    statement : str
        What the paper claims, in one sentence. It identifies the claim, so it holds no result.
    source : str
        Where it says so: ``"Table 2"``, ``"abstract"``.
    evidence : {"paper's data or simulation", "stand-in data", "published tables"}
        What our value rests on, one of `EVIDENCE`; of an untestable claim, what it asks for.
    rule : Rule
        From `greater`, `less`, `at_least`, `at_most`, `close_to` or `not_testable`.
    ours : Interval, tuple (value, low, high), float or None
        A number alone has no uncertainty. None only where the claim is not testable.
    published : str, float or None
    unit : str, default=""
    n : int or None, default=None
        Independent units behind the interval. An inconclusive claim then says how many would
        decide it.

    Attributes
    ----------
    outcome : str
        One of `OUTCOMES`.
    reason : str
        Why, with the numbers.

    Raises
    ------
    ValueError
        If a text is empty, the evidence is of no known kind, our value is missing or not finite,
        the interval does not hold it, or ``n`` is not a positive whole number.

    Examples
    --------
    >>> claim = Claim(
    ...     statement="DANCE finds more events than a sliding window.",
    ...     source="abstract",
    ...     evidence=STAND_IN,
    ...     ours=(0.10, 0.04, 0.16),
    ...     unit="difference in F1-event",
    ...     rule=greater(0),
    ... )
    >>> claim.outcome
    'reproduced'
    """

    statement: str
    source: str
    evidence: str
    rule: Rule
    ours: Interval | tuple | float | None = None
    published: str | float | None = None
    unit: str = ""
    n: int | None = None

    def __post_init__(self):
        for field in ("statement", "source"):
            if not getattr(self, field).strip():
                raise ValueError(f"a claim needs a {field}: {self!r}")
        if self.evidence not in EVIDENCE:
            raise ValueError(
                f"the evidence of {self.statement!r} is {self.evidence!r}; "
                f"it is one of {', '.join(map(repr, EVIDENCE))}."
            )
        if not isinstance(self.rule, Rule):
            raise ValueError(
                f"the rule of {self.statement!r} is {self.rule!r}; "
                "use greater(...), close_to(...), not_testable(...) or another rule."
            )
        if self.published is not None and not isinstance(self.published, str):
            _number(self.published, f"the published value of {self.statement!r}")
        if self.n is not None and (int(self.n) != self.n or self.n < 1):
            raise ValueError(f"n of {self.statement!r} is {self.n!r}; it counts units.")
        if self.ours is not None:
            _interval(self.ours, f"our value of {self.statement!r}")
        elif self.testable:
            raise ValueError(
                f"our value of {self.statement!r} is missing. Compute it, "
                "or say why it cannot be: rule=not_testable(reason)."
            )

    @property
    def testable(self):
        return self.rule.meets is not None

    @property
    def outcome(self):
        return self._judgement[0]

    @property
    def reason(self):
        return self._judgement[1]

    @property
    def _judgement(self):
        if not self.testable:
            return NOT_TESTABLE, self.rule.words
        ours = _interval(self.ours, "ours")
        text = _text(ours, self.unit)
        published = self.evidence == PUBLISHED
        if self.rule.meets(ours):
            return HOLDS if published else REPRODUCED, f"{text}: holds"
        if self.rule.surpasses is not None and self.rule.surpasses(ours):
            if published:  # what is read in a paper's table is no better than published
                return HOLDS, f"{text}: holds, by more than asked"
            return BETTER, f"{text}: {self.rule.because or 'unexplained'}"
        if self.rule.violates(ours):
            return HOLDS_NOT if published else CONTRADICTED, f"{text}: does not hold"
        return INCONCLUSIVE, f"{text}: {self._what_would_decide(ours)}"

    def _what_would_decide(self, ours):
        """How much more data would leave the interval on one side, if our value stayed."""
        half = max(ours.high - ours.value, ours.value - ours.low)
        distance = self.rule.distance(ours.value)
        if distance <= 0:
            return "the interval holds the threshold, and our value lies on it"
        factor = (half / distance) ** 2
        if self.n is None or factor * self.n > 1e6:
            much = f"about {factor:.2g} times as much data" if factor < 1e4 else "far more data"
            much = "slightly more data" if factor < 1.1 else much
        else:
            much = f"about {math.ceil(factor * self.n)} units instead of {self.n}"
        return f"the interval holds the threshold; {much} would decide, if our value stayed"


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
    margin = _not_negative(margin, "margin")
    return Rule(
        f"ours with its interval is greater than {_named(name, other)}{_by(margin)}",
        lambda ours: ours.low > other.high + margin,
        lambda ours: ours.high <= other.low + margin,
        lambda value: abs(value - (other.value + margin)),
    )


def less(than, *, margin=0.0, name=""):
    """Ours is below another value: the mirror image of `greater`.

    Parameters
    ----------
    than, margin, name
        As in `greater`.

    Returns
    -------
    rule : Rule
    """
    other = _interval(than, "than")
    margin = _not_negative(margin, "margin")
    return Rule(
        f"ours with its interval is less than {_named(name, other)}{_by(margin)}",
        lambda ours: ours.high < other.low - margin,
        lambda ours: ours.low >= other.high - margin,
        lambda value: abs(value - (other.value - margin)),
    )


def at_least(threshold):
    """The lower bound of ours reaches a number.

    Parameters
    ----------
    threshold : float
        In the unit of the claim.

    Returns
    -------
    rule : Rule
    """
    threshold = _number(threshold, "threshold")
    return Rule(
        f"ours with its interval is at least {threshold:.4g}",
        lambda ours: ours.low >= threshold,
        lambda ours: ours.high < threshold,
        lambda value: abs(value - threshold),
    )


def at_most(threshold):
    """The upper bound of ours stays within a number.

    Parameters
    ----------
    threshold : float
        In the unit of the claim.

    Returns
    -------
    rule : Rule
    """
    threshold = _number(threshold, "threshold")
    return Rule(
        f"ours with its interval is at most {threshold:.4g}",
        lambda ours: ours.high <= threshold,
        lambda ours: ours.low > threshold,
        lambda value: abs(value - threshold),
    )


def close_to(published, *, tolerance, better=None, because=""):
    """The whole interval of ours lies within a tolerance of a number.

    This shows equivalence: a wide interval that merely contains the number shows nothing.

    Parameters
    ----------
    published : float
    tolerance : float
        In the unit of the claim; the bounds belong to it.
    better : {"lower", "higher", None}, default=None
        On which side of the tolerance an interval is *better than published*; None: on neither.
    because : str, default=""
        What explains a value that is better.

    Returns
    -------
    rule : Rule

    Raises
    ------
    ValueError
        If a number is not finite, the tolerance negative, or ``better`` none of these.
    """
    published = _number(published, "published")
    tolerance = _not_negative(tolerance, "tolerance")
    if better not in {"lower", "higher", None}:
        raise ValueError(f"better must be 'lower', 'higher' or None, got {better!r}.")
    # 0.5 is meant to be within 0.1 of 0.4, which rounding denies.
    reach = tolerance + 4 * math.ulp(abs(published) + tolerance)
    low, high = published - reach, published + reach
    beyond = {
        "lower": lambda ours: ours.high < low,
        "higher": lambda ours: ours.low > high,
        None: None,
    }
    return Rule(
        f"ours with its interval is within {tolerance:.4g} of {published:.4g}",
        lambda ours: low <= ours.low and ours.high <= high,
        lambda ours: ours.high < low or high < ours.low,
        lambda value: abs(abs(value - published) - tolerance),
        beyond[better],
        because,
    )


def not_testable(reason):
    """The claim cannot be tested at this scale.

    Parameters
    ----------
    reason : str
        Why, for example ``"needs TUSZ, which the embedded scale has no copy of"``.

    Returns
    -------
    rule : Rule

    Raises
    ------
    ValueError
        If the reason is empty.
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
    header = ("Claim", "Where", "Evidence", "Published", "Ours", "Rule", "Outcome", "Why")
    rows = [header, ["---"] * len(header)]
    for claim in claims:
        ours = "" if claim.ours is None else _text(_interval(claim.ours, "ours"), claim.unit)
        rows.append(
            (
                claim.statement,
                claim.source,
                claim.evidence,
                _plain(claim.published),
                ours,
                claim.rule.words if claim.testable else "",
                f"**{claim.outcome}**",
                claim.reason.removeprefix(f"{ours}: ") if claim.testable else claim.reason,
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
    return {
        "statement": claim.statement,
        "source": claim.source,
        "evidence": claim.evidence,
        "published": claim.published,
        "ours": value,
        "low": low,
        "high": high,
        "unit": claim.unit,
        "rule": claim.rule.words if claim.testable else "",
        "outcome": claim.outcome,
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
