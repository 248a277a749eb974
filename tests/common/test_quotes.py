"""Numbers in READMEs come from tables, and are noticed when they no longer do."""

import pytest

from common import files, quotes

TABLE = """method,fraction,gain,low,high
a,1.0,0.046,-0.12,0.21
a,0.5,0.01,0.002,0.02
b,1.0,0.2,0.1,0.3
"""


def quoted(call, text="?"):
    return f"The gain is <!-- number {call} -->{text}<!-- /number --> here.\n"


@pytest.fixture
def paper(tmp_path, monkeypatch):
    """A repository with one paper, one table and a function that writes its README."""
    monkeypatch.setattr(files, "ROOT", tmp_path)
    files.write_text("papers/toy/paper.yaml", "")
    files.write_text("papers/toy/reference/gains.csv", TABLE)
    return lambda text: files.write_text("papers/toy/README.md", text)


ONE = 'reference/gains.csv "method == \'a\' and fraction == 1" "{gain:.1%} [{low:.0%}, {high:.0%}]"'


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (ONE, "4.6 % [−12 %, 21 %]"),
        ('reference/gains.csv "low > 0" "{count}"', "2"),
        ('reference/gains.csv "" "{count} gains"', "3 gains"),
    ],
)
def test_a_number_is_filled_from_its_table(paper, call, expected):
    text = quotes.fill(quoted(call), paper="toy")
    assert text == quoted(call, expected)
    assert quotes.fill(text, paper="toy") == text


def test_a_stale_number_is_named_and_filled(paper, capsys):
    paper(quoted(ONE, "3 % [−1, 2]"))
    assert quotes.main(["--check"]) == 1
    assert "toy/README.md: 3 % [−1, 2] → 4.6 % [−12 %, 21 %]" in capsys.readouterr().err
    assert quotes.main([]) == 0
    assert quotes.main(["--check"]) == 0
    assert "4.6 %" in files.resolve("papers/toy/README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (quoted('reference/other.csv "" "{count}"'), "line 1: there is no table papers/toy/ref"),
        (quoted("reference/gains.csv"), 'expected TABLE "QUERY" "FORMAT"'),
        (quoted('reference/gains.csv "method == \'a\'" "{gain}"'), "selects 2 rows of .* one is"),
        (quoted('reference/gains.csv "fraction == 0.5" "{gian}"'), "columns are method, fraction"),
        (quoted('reference/gains.csv "nothing > 0" "{count}"'), "cannot select 'nothing > 0'"),
        ("<!-- number reference/gains.csv '' '{count}' -->3", "without its <!-- /number -->"),
        ("\n3<!-- /number -->", "without its <!-- /number -->"),
    ],
)
def test_a_quote_that_cannot_be_filled_is_an_error(paper, text, message, capsys):
    with pytest.raises(quotes.QuoteError, match=message):
        quotes.fill(text, paper="toy")
    paper(text)
    assert quotes.main([]) == 1
    assert "papers/toy/README.md" in capsys.readouterr().err
    assert files.resolve("papers/toy/README.md").read_text(encoding="utf-8") == text
