"""Configuration files say what is wrong in one line: file, key, value, and what to write."""

import pytest
import yaml

from common import files
from common.workflow import papers

SCALES = {
    "embedded": {"seeds": [0, 1], "sizes": {1000: 9}},
    "paper": {"seeds": [0], "sizes": {}},
}
PAPER = {
    "title": "T",
    "authors": ["A"],
    "year": 2025,
    "doi": "10.0/1",
    "summary": "S",
    "preview": "one",
    "figures": {"one": {"title": "O", "caption": "C", "original": 1}},
    "scales": {"embedded": {"seeds": [0]}, "paper": {"seeds": [0, 1]}},
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "ROOT", tmp_path)

    def write(**changes):
        path = tmp_path / "papers/toy/paper.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(PAPER | changes))

    return write


def error(function, *arguments):
    with pytest.raises(papers.PaperError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_good_file_loads(write):
    write()
    assert papers.load("toy").figures["one"].caption == "C"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sumary": "S"}, "unknown key sumary; did you mean 'summary'?"),
        (
            {"figures": {"one": {"title": "O", "caption": "C", "orignal": 1}}},
            "unknown key figures.one.orignal; did you mean 'original'?",
        ),
        (
            {"figures": {"one": {"title": "O", "caption": "C", "tolerances": [{"relativ": 1}]}}},
            "unknown key figures.one.tolerances.0.relativ; did you mean 'relative'?",
        ),
        ({"figures": {"one": {"title": "O"}}}, "figures.one.caption is required"),
        ({"year": "then"}, "year is 'then', it should be"),
        ({"doi": None}, "doi or arxiv is required"),
        ({"preview": "two"}, "preview 'two' is not listed under figures"),
        ({"recorded": ["on"]}, "recorded 'on' is not listed under figures; did you mean 'one'?"),
        ({"scales": {"embedded": {}}}, "scales.paper is required"),
        (
            {"scales": {"embedded": {}, "paper": {}, "papre": {}}},
            "unknown key scales.papre; did you mean 'paper'?",
        ),
        (
            {"scales": {"embedded": {"seed": 1}, "paper": {"seeds": 1}}},
            "scales.embedded.seed is missing from paper; both scales have the same keys; "
            "did you mean 'seeds'?",
        ),
        (
            {"scales": SCALES | {"smoke": {"seed": [0]}}},
            "scales.smoke.seed is missing from embedded; smoke only says what differs from it; "
            "did you mean 'seeds'?",
        ),
        (
            {"scales": SCALES | {"smoke": {"sizes": {2000: 1}}}},
            "scales.smoke.sizes.2000 is missing from embedded; smoke only says what differs from "
            "it; did you mean '1000'?",
        ),
        (
            {"scales": SCALES | {"smoke": {"sizes": 3}}},
            "scales.smoke.sizes is 3; embedded has a mapping there, so write what differs in it, "
            "or null to leave it out",
        ),
    ],
)
def test_a_mistake_is_one_line(write, changes, expected):
    write(**changes)
    message = error(papers.load, "toy")
    assert message.startswith("papers/toy/paper.yaml: ")
    assert expected in message


def test_broken_yaml_names_the_line(write, tmp_path):
    write()
    (tmp_path / "papers/toy/paper.yaml").write_text("title: T\nyear: [1\n")
    assert "papers/toy/paper.yaml, line 3: not valid YAML" in error(papers.load, "toy")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"scale": "big"},
            "config.yaml: scale is 'big', it should be 'smoke', 'embedded', 'paper' or 'recorded'",
        ),
        ({"device": "gpu"}, "config.yaml: device is 'gpu', it should be 'auto', 'cpu' or 'cuda'"),
        ({"miror": "/x"}, "config.yaml: unknown key miror; did you mean 'mirror'?"),
        ({"folders": {"tusz": 3}}, "config.yaml: folders.tusz is 3, it should be"),
    ],
)
def test_a_configuration_mistake_is_one_line(config, expected):
    assert expected in error(papers.config, config)


def test_the_repositorys_configuration_is_valid():
    papers.config(yaml.safe_load((files.ROOT / "config.yaml").read_text()))


def test_a_scale_that_is_misspelt_suggests_the_nearest():
    assert error(papers.config, {"scale": "papr"}).endswith("did you mean 'paper'?")


def test_a_method_has_a_colour_of_the_palette_and_a_known_marker(write):
    for look, expected in [
        ({"label": "A", "color": "blu", "marker": "o"}, "did you mean 'blue'?"),
        ({"label": "A", "color": "blue", "marker": "oo"}, "methods.a.marker is 'oo', it should be"),
        ({"label": "A", "color": "blue"}, "methods.a.marker is required"),
    ]:
        write(methods={"a": look})
        assert expected in error(papers.load, "toy")


def test_resources_are_positive_whole_numbers(write):
    write(resources={"fit": {"mem_mb": 0}})
    assert "resources.fit.mem_mb is 0, it should be greater than 0" in error(papers.load, "toy")
    write(resources={"fit": {"mem_gb": 1}})
    assert "unknown key resources.fit.mem_gb; did you mean 'mem_mb'?" in error(papers.load, "toy")


@pytest.mark.parametrize(
    ("paper", "methods"),
    [
        ("dance", ["dance", "dance-released", "dense", "sliding", "onset-informed"]),
        ("spd-sliced-wasserstein", ["spdsw", "logsw", "hspdsw", "lew", "les", "aiw"]),
        ("spd-sliced-wasserstein", ["spdsw", "logsw", "sw", "tangent-space", "mean-age"]),
        ("hawkes-meg", ["fadin", "likelihood", "em", "least-squares", "tick-em"]),
        ("hawkes-meg", ["fadin", "dripp"]),
        ("eeg-augmentation", ["identity", "ft-surrogate", "frequency-shift", "bandstop-filter"]),
        ("eeg-augmentation", ["gaussian-noise", "smooth-time-mask", "time-reverse", "sign-flip"]),
        ("eeg-augmentation", ["channels-dropout", "channels-shuffle", "channels-symmetry"]),
        ("skada-bench", ["reference", "reweighting", "mapping", "subspace", "other"]),
        ("skada-bench", ["train-src", "train-tgt", "reweighting", "mapping", "subspace", "other"]),
        ("kymatio-scattering", ["scattering", "kymatio"]),
        ("kymatio-scattering", ["pixels", "order-0", "order-1", "order-2"]),
        ("moabb", ["raw", "riemannian", "deep", "own"]),
    ],
)
def test_methods_of_one_figure_differ_in_colour_and_marker(paper, methods):
    looks = papers.load(paper).methods
    for cue in ("color", "marker"):
        assert len({getattr(looks[method], cue) for method in methods}) == len(methods)
