"""How an archive describes itself: RO-Crate 1.2, with the Workflow Run profiles.

The crate names what is built and the files of the papers, each with its size and sha256, the
folders of the other code, the data sets with their licences, and each run of a notebook: the code,
the parameters, what it read and what it wrote, as the workflow's provenance has them. A file that
the archive does not hold, such as raw data, is there by its name and sha256. Times and people are
not recorded, so the profiles' recommended ``endTime`` and ``agent`` are left out.
"""

import hashlib
import json
import mimetypes
from pathlib import PurePosixPath
from urllib.parse import quote

from common.workflow.notebooks.provenance import LEFT_OUT

__all__ = ["describe"]

VERSION = "1.2"
"""Version of RO-Crate."""

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
_BIOSCHEMAS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
_SNAKEMAKE, _PYTHON = "https://snakemake.github.io/", "https://www.python.org/"
_WORKFLOW = "Snakefile"
# What is described file by file, besides the files at the root.
_DESCRIBED = ("data", "notebooks", "papers", "results")
_TYPES = {
    ".cff": "application/yaml",
    ".csv": "text/csv",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".svg": "image/svg+xml",
    ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


def describe(
    title,
    about,
    listed,
    *,
    licence,
    authors,
    scale,
    commit,
    date,
    steps,
    contents,
    left_out,
    data,
):
    """Description of an archive.

    Parameters
    ----------
    title, about : str
        Name of the archive, and what is in it.
    listed : dict of str to common.workflow.papers.Paper
    licence : str
        Address of the licence of the code, of SPDX.
    authors : list of str
        Who made the archive's code.
    scale : str
    commit, date : str
        Of the code: the commit's name and its day, ``2026-01-31``.
    steps : dict of str to dict
        Provenance of each run of a notebook by the name of its file, in the order of the runs.
    contents : dict of str to (str, int)
        Files of the archive with their sha256 and their size in bytes.
    left_out : dict of str to str
        Files that steps have read or written and that the archive does not hold, with their sha256.
    data : dict of str to (common.registry.Entry, list of str)
        Data sets that steps have read, by their names in the registry, with their files.

    Returns
    -------
    metadata : dict
        What ``ro-crate-metadata.json`` says.
    """
    from rocrate.rocrate import ROCrate

    crate = _Crate(ROCrate(version=VERSION))
    root = crate.crate.root_dataset
    root["name"], root["description"], root["datePublished"] = title, about, date
    root["license"] = crate.add(
        licence,
        "CreativeWork",
        name=licence.rpartition("/")[2],
        description="Licence of the code, the figures and the tables. Data sets keep their own.",
    )
    root["author"] = [crate.add(f"#{quote(name)}", "Organization", name=name) for name in authors]
    root["conformsTo"] = [
        crate.add(address, ["CreativeWork", "Profile"], name=name, version=version)
        for address, (name, version) in PROFILES.items()
    ]
    root["citation"] = [_article(crate, paper) for paper in listed.values()]
    _files(crate, listed, contents, steps)
    known = {key: _data_set(crate, key, entry) for key, (entry, _) in data.items()}
    of = {name: known[key] for key, (_, names) in data.items() for name in names}
    for name, digest in left_out.items():
        crate.add(
            LEFT_OUT + quote(name),
            "CreativeWork",
            name=name,
            sha256=digest,
            description="Not in this archive, which states its hash.",
            **({"isPartOf": of[name]} if name in of else {}),
        )
    root["mentions"] = [*_runs(crate, listed, scale, commit, steps), *known.values()]
    root["mainEntity"] = crate.entities[_WORKFLOW]
    metadata = crate.crate.metadata.generate()
    for entity in metadata["@graph"]:  # RO-Crate 1.2 wants no list of one
        for key, value in entity.items():
            if isinstance(value, list) and len(value) == 1:
                entity[key] = value[0]
    return metadata


class _Crate:
    """A crate, and its entities by their names.

    Parameters
    ----------
    crate : rocrate.rocrate.ROCrate
    """

    def __init__(self, crate):
        self.crate = crate
        self.entities = {}

    def add(self, name, kind, /, **properties):
        """Add an entity, unless there is one of that name, and return it."""
        from rocrate.model.contextentity import ContextEntity
        from rocrate.model.dataset import Dataset
        from rocrate.model.file import File

        if name not in self.entities:
            model = {"@type": kind} | properties
            if "File" in kind or kind == "Dataset":
                holder = Dataset if kind == "Dataset" else File
                entity = holder(self.crate, dest_path=name, properties=model)
            else:
                entity = ContextEntity(self.crate, name, properties=model)
            self.entities[name] = self.crate.add(entity)
        return self.entities[name]

    def file(self, name):
        """A file of the archive, or one that it names only."""
        return self.entities.get(name) or self.entities.get(LEFT_OUT + quote(name))


def _article(crate, paper):
    people = []
    for family, given in paper.people:
        name = " ".join(filter(None, (given, family)))
        more = {"givenName": given} if given else {}
        people.append(
            crate.add(f"#person/{quote(name)}", "Person", name=name, familyName=family, **more)
        )
    return crate.add(
        paper.address,
        "ScholarlyArticle",
        name=paper.title,
        author=people,
        datePublished=str(paper.year),
        description=paper.summary,
    )


def _files(crate, listed, contents, steps):
    """Files of the archive, figures with their titles and captions, and folders of code."""
    notebooks = {made["notebook"] for made in steps.values()}
    kinds = {name: ["File", "SoftwareSourceCode"] for name in notebooks}
    kinds[_WORKFLOW] = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
    told = {}
    for place, made in steps.items():
        told |= dict.fromkeys(made["outputs"], f"Written by the step {made['rule']}.")
        told[place] = f"Provenance of the step {made['rule']}."
        executed = str(PurePosixPath(place).with_suffix(".ipynb"))
        told[executed] = f"Notebook of the step {made['rule']}, executed."
    titles = {}
    for paper, settings in listed.items():
        for key, figure in settings.figures.items():
            for suffix in (".svg", ".png", ".csv"):
                name = f"papers/{paper}/figures/{key}{suffix}"
                titles[name], told[name] = f"{figure.title} ({name})", figure.caption
    for name, (digest, size) in contents.items():
        folder, _, inside = name.partition("/")
        if inside and folder not in _DESCRIBED:
            about = "What Snakemake notes of each file" if folder == ".snakemake" else "Code"
            crate.add(f"{folder}/", "Dataset", name=folder, description=f"{about}.")
            continue
        crate.add(
            name,
            kinds.get(name, "File"),
            name=titles.get(name, name),
            description=told.get(name, "Part of the repository."),
            encodingFormat=_type(name),
            contentSize=str(size),
            sha256=digest,
            **({"about": crate.crate.root_dataset} if name == "README.md" else {}),
        )


def _data_set(crate, key, entry):
    source = {
        "url": entry.source.url,
        "pypi": entry.source.pypi and _on_pypi(entry.source.pypi.requirement),
        "github": entry.source.github
        and f"https://github.com/{entry.source.github.repository}/tree/{entry.source.github.commit}",
        "folder": entry.source.folder and entry.source.folder.registration,
        "moabb": entry.source.moabb and "https://moabb.neurotechx.com/",
        "mne": entry.source.mne and "https://mne.tools/",
    }[entry.source.kind]
    hashed = {"sha256": entry.sha256, "contentSize": str(entry.size)} if entry.sha256 else {}
    return crate.add(
        f"#data/{key}",
        "CreativeWork",
        name=entry.title,
        identifier=key,
        description=entry.contents,
        license=entry.licence,
        citation=entry.citation,
        url=source,
        **hashed,
    )


def _on_pypi(requirement):
    name, _, version = requirement.partition("==")
    return f"https://pypi.org/project/{name}/{version}/"


def _runs(crate, listed, scale, commit, steps):
    """The workflow, its notebooks, and what ran; returns the actions."""
    versions = [made["packages"]["snakemake"] for made in steps.values()]
    snakemake = crate.add(
        _SNAKEMAKE,
        ["ComputerLanguage", "SoftwareApplication"],
        name="Snakemake",
        url=_SNAKEMAKE,
        version=", ".join(sorted(set(versions))),
    )
    python = crate.add(
        _PYTHON,
        "ComputerLanguage",
        name="Python",
        url=_PYTHON,
        version=", ".join(sorted({made["python"] for made in steps.values()})),
    )
    controls, actions, tools, howto = [], [], {}, {}
    for place, made in steps.items():
        tool = crate.file(made["notebook"])
        if made["notebook"] not in tools:
            tools[made["notebook"]] = tool
            tool["programmingLanguage"] = python
            tool["version"] = made["fingerprint"]
        if made["rule"] not in howto:
            howto[made["rule"]] = crate.add(
                f"#step/{made['rule']}", "HowToStep", name=made["rule"], workExample=tool
            )
        action = _action(crate, place, made, tool)
        actions.append(action)
        controls.append(
            crate.add(
                f"#control/{place}",
                "ControlAction",
                name=f"Snakemake ran {made['rule']}",
                instrument=howto[made["rule"]],
                object=action,
            )
        )
    asked = crate.add("#scale", "PropertyValue", name="scale", value=scale)
    parameter = crate.add(
        "#parameter/scale", "FormalParameter", name="scale", additionalType="Text",
        workExample=asked, description="How much is computed: see README.md.",
    )  # fmt: skip
    asked["exampleOfWork"] = parameter
    results = []
    for paper, settings in listed.items():
        wanted = [f"papers/{paper}/figures/{key}.svg" for key in settings.figures]
        wanted.append(f"results/{paper}/{scale}/claims.csv")
        for name in wanted:
            result = crate.file(name)
            results.append(result)
            result["exampleOfWork"] = crate.add(
                f"#result/{name}", "FormalParameter", name=name, additionalType="File",
                workExample=result,
            )  # fmt: skip
    workflow = crate.entities[_WORKFLOW]
    workflow["programmingLanguage"] = snakemake
    workflow["version"] = commit
    if lock := crate.file("requirements.lock"):
        workflow["softwareRequirements"] = lock
    workflow["conformsTo"] = crate.add(
        _BIOSCHEMAS, ["CreativeWork", "Profile"], name="ComputationalWorkflow", version="1.0"
    )
    workflow["hasPart"] = list(tools.values())
    workflow["step"] = list(howto.values())
    workflow["input"] = [parameter]
    workflow["output"] = [result["exampleOfWork"] for result in results]
    run = crate.add(
        "#run",
        "CreateAction",
        name="The workflow's run",
        description=f"Every figure and every claim at the {scale} scale.",
        instrument=workflow,
        object=[asked],
        result=results,
    )
    organized = crate.add(
        "#organized",
        "OrganizeAction",
        name="Snakemake ran the workflow",
        instrument=snakemake,
        object=controls,
        result=run,
    )
    return [run, organized, *actions, *controls]


def _action(crate, place, made, tool):
    """One run of a notebook."""
    read = [crate.file(name) for name in made["inputs"]]
    files = {*made["inputs"], *made["outputs"]}
    passed = [
        _parameter(crate, name, value)
        for name, value in made["parameters"].items()
        if not (isinstance(value, str) and value in files)
    ]
    written = [*made["outputs"], str(PurePosixPath(place).with_suffix(".ipynb"))]
    commit = f" at commit {made['commit']}" if made["commit"] else ""
    return crate.add(
        f"#job/{place}",
        "CreateAction",
        name=f"Run of {made['notebook']} by {made['rule']}",
        description=f"On {made['device']}, {made['threads']} thread(s), with the code{commit}"
        f"{', changed since' if made['dirty'] else ''}.",
        instrument=tool,
        object=[*filter(None, read), *passed],
        result=list(filter(None, map(crate.file, written))),
        subjectOf=list(filter(None, [crate.file(place)])),
    )


def _parameter(crate, name, value):
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return crate.add(f"#value/{name}/{digest}", "PropertyValue", name=name, value=text)


def _type(name):
    suffix = PurePosixPath(name).suffix
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "text/plain"
