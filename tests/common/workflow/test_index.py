"""Lists of papers follow from the papers."""

import pytest
import yaml

from common.workflow import index, papers

FIGURE = papers.Figure(title='Scores | "all"', caption="C")


def paper(year, **changes):
    known = {
        "title": 'A "title": with marks',
        "authors": ["Curie, Marie", "Noether"],
        "year": year,
        "summary": "S",
        "figures": {"one": FIGURE},
        "scales": {"embedded": {}, "paper": {}},
    }
    return papers.Paper.model_validate(known | changes)


LISTED = {
    "b": paper(2020, arxiv="2001.00001", preview="one"),
    "a": paper(2020, doi="10.0/1"),
    "new": paper(2025, arxiv="2501.00001", doi="10.0/2"),
}


def test_readme_lists_the_newest_first_and_keeps_its_text():
    before = "# Title\n\n<!-- papers -->\nold\n<!-- end of papers -->\n\nMore.\n"
    after = index.readme(before, LISTED)
    rows = [line for line in after.splitlines() if line.startswith("| [")]
    assert ["papers/new/" in rows[0], "papers/a/" in rows[1], "papers/b/" in rows[2]] == [True] * 3
    assert "(2025, arXiv:2501.00001)" in rows[0] and "(2020, doi:10.0/1)" in rows[1]
    assert 'alt="Scores \\| &quot;all&quot;"' in rows[2]
    assert after.startswith("# Title\n") and after.endswith("\n\nMore.\n") and "old" not in after
    assert index.readme(after, LISTED) == after


def test_a_readme_without_a_place_for_the_list_says_what_is_missing():
    with pytest.raises(papers.PaperError, match="between <!-- papers --> and"):
        index.readme("# Title\n", LISTED)


def test_the_citation_is_yaml_with_every_paper():
    before = "cff-version: 1.2.0\ntitle: T\nreferences:\n  - type: article\n    title: old\n"
    after = index.citation(before, LISTED)
    found = yaml.safe_load(after)
    assert found["title"] == "T"
    assert [one["year"] for one in found["references"]] == [2025, 2020, 2020]
    first = found["references"][0]
    assert first["title"] == 'A "title": with marks'
    assert first["authors"] == [
        {"family-names": "Curie", "given-names": "Marie"},
        {"family-names": "Noether"},
    ]
    assert first["doi"] == "10.0/2"
    assert first["identifiers"][0]["value"] == "arXiv:2501.00001"
    assert index.citation(after, LISTED) == after


def test_without_papers_there_is_a_heading_only():
    assert index.readme("<!-- papers -->\n<!-- end of papers -->", {}).count("\n|") == 2
