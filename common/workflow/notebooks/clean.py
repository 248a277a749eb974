"""Git's filter for notebooks: what is committed has no outputs and no metadata of editors.

Git passes a notebook's bytes through this file when it is added, and compares the result when it
looks for changes: one that was only executed and saved shows no difference. ``.gitattributes``
names the filter, and `common.workflow.environment` sets it. It runs as a file, with standard
library only, under whatever Python 3 there is. What is not a notebook of format 4 passes unchanged.
"""

import json
import os
import subprocess
import sys

__all__ = ["METADATA", "clean", "refresh"]

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""Metadata that every notebook has, whatever kernel or editor saved it."""


def clean(content):
    """A notebook as it is committed.

    Code, text, attachments, tags and identifiers of cells stay. Outputs, execution counts, all
    other metadata of cells, and metadata of the notebook but `METADATA` go. The layout is that of
    `nbformat`.

    Parameters
    ----------
    content : bytes
        A notebook's file.

    Returns
    -------
    cleaned : bytes
        The same as `content` if that is no notebook of format 4.
    """
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
        if notebook["nbformat"] != 4:
            return content
        kept = {
            "cells": [_clean_cell(index, cell) for index, cell in enumerate(notebook["cells"])],
            "metadata": METADATA,
            "nbformat": 4,
            "nbformat_minor": max(5, notebook["nbformat_minor"]),  # 5 brought identifiers of cells
        }
        text = json.dumps(kept, indent=1, ensure_ascii=False, sort_keys=True)
        return (text + "\n").encode("utf-8")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return content


def refresh(model, os_path, contents_manager):
    """Tell git that a saved notebook has not changed, if it has not; Jupyter calls this.

    Git takes a tracked file of another size for changed without a look at its content, and
    ``git status`` would list it until it is added.

    Parameters
    ----------
    model : dict
        What was saved, as Jupyter's contents manager describes it.
    os_path : str
        The file.
    contents_manager : object
        Not used.
    """
    if model["type"] != "notebook":
        return
    folder, name = os.path.split(os_path)
    for command in (["diff", "--quiet"], ["update-index"]):
        try:
            done = subprocess.run(["git", *command, "--", name], cwd=folder, capture_output=True)
        except OSError:  # no git
            return
        if done.returncode != 0:  # it has changed, or is not tracked
            return


def _clean_cell(index, cell):
    kept = {name: cell[name] for name in ("cell_type", "attachments") if name in cell}
    source = cell["source"]
    lines = source if isinstance(source, list) else [source]
    kept["source"] = "".join(lines).splitlines(keepends=True)
    metadata = cell.get("metadata", {})
    # Colab keeps the identifier in the metadata.
    kept["id"] = cell.get("id") or metadata.get("id") or f"cell-{index}"
    kept["metadata"] = {"tags": metadata["tags"]} if metadata.get("tags") else {}
    if cell["cell_type"] == "code":
        kept["execution_count"] = None
        kept["outputs"] = []
    return kept


if __name__ == "__main__":
    sys.stdout.buffer.write(clean(sys.stdin.buffer.read()))
