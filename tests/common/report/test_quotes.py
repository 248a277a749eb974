"""Numbers in READMEs come from tables, and are noticed when they no longer do."""

import json

import pytest

from common import files
from common.report import quotes

TABLE = """method,fraction,gain,low,high
a,1.0,0.046,-0.12,0.21
a,0.5,0.01,0.002,0.02
b,1.0,0.2,0.1,0.3
"""


def quoted(*definition, text="?"):
    return (
        f"The gain is <!-- number gain -->{text}<!-- /number --> here.\n"
        f"<!-- numbers\ngain: {json.dumps(definition)}\n-->\n"
    )


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """A repository with one paper, one table and a function that writes its README."""
    monkeypatch.setattr(files, "ROOT", tmp_path)
    files.write_text("papers/toy/paper.yaml", "")
    files.write_text("papers/toy/reference/gains.csv", TABLE)
    return lambda text: files.write_text("papers/toy/README.md", text)


GAINS = "reference/gains.csv"
ONE = (GAINS, "method == 'a' and fraction == 1", "{gain:.1%} [{low:.0%}, {high:.0%}]")


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (ONE, "4.6 % [−12 %, 21 %]"),
        ((GAINS, "low > 0", "{count}"), "2"),
        ((GAINS, "", "{count} gains"), "3 gains"),
        ((GAINS, "fraction == 1", "{gain.mean:.3f} {low.min} {low.max}"), "0.123 −0.12 0.1"),
        ((GAINS, "width = high - low; width < 0.1", "{width:.3f}"), "0.018"),
        ((GAINS, "sure = low > 0; fraction == 1", "{sure.mean:.0%}"), "50 %"),
        ((GAINS, "low > 7", "{count}"), "0"),
    ],
)
def test_a_number_is_filled_from_its_table(paper, definition, expected):
    text = quotes.fill(quoted(*definition), paper="toy")
    assert text == quoted(*definition, text=expected)
    assert quotes.fill(text, paper="toy") == text


def test_a_stale_number_is_named_and_filled(paper, capsys):
    paper(quoted(*ONE, text="3 % [−1, 2]"))
    assert quotes.main(["--check"]) == 1
    assert "toy/README.md: 3 % [−1, 2] → 4.6 % [−12 %, 21 %]" in capsys.readouterr().err
    assert quotes.main([]) == 0
    assert quotes.main(["--check"]) == 0
    assert "4.6 %" in files.resolve("papers/toy/README.md").read_text(encoding="utf-8")


NUMBER = "<!-- number gain -->3<!-- /number -->"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            quoted("reference/other.csv", "", "{count}"),
            "there is no table papers/toy/reference/oth",
        ),
        (quoted(GAINS, "method == 'a'", "{gain}"), "selects 2 rows of .*, one is needed"),
        (quoted(GAINS, "fraction == 0.5", "{gian}"), "whose columns are method, fraction"),
        (quoted(GAINS, "", "{gain.mode}"), "whose columns are method, fraction"),
        (quoted(GAINS, "low > 7", "{gain}"), "'low > 7' selects no row"),
        (quoted(GAINS, "nothing > 0", "{count}"), "cannot select 'nothing > 0'"),
        (quoted(GAINS), r'expected \[TABLE, "QUERY", "FORMAT"\]'),
        (
            "<!-- numbers\ngain: [t, 3, f]\n-->",
            r"gain is \['t', 3, 'f'\], expected \[TABLE, \"QUERY\", \"FORMAT\"\]",
        ),
        (NUMBER, "'gain' is used and not defined"),
        (NUMBER + quoted(*ONE).replace("gain:", "loss:"), "number 'gain' is used and not defined"),
        (
            NUMBER + quoted(*ONE).replace("\ngain:", "\na: [t, q, f]\ngain:"),
            "'a' is defined and not",
        ),
        (quoted(*ONE) + "<!-- numbers\na: [\n-->", "is not valid YAML"),
        ("<!-- number gain -->3", "without its <!-- /number -->"),
        ("3<!-- /number -->", "without its <!-- /number -->"),
    ],
)
def test_a_quote_that_cannot_be_filled_is_an_error(paper, text, message, capsys):
    with pytest.raises(quotes.QuoteError, match=message):
        quotes.fill(text, paper="toy")
    paper(text)
    assert quotes.main([]) == 1
    assert "papers/toy/README.md" in capsys.readouterr().err
    assert files.resolve("papers/toy/README.md").read_text(encoding="utf-8") == text
