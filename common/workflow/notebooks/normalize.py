"""Executed notebooks whose bytes depend on the run's results alone."""

import copy
import re
import sys

from common import files
from common.workflow.notebooks.clean import METADATA

__all__ = ["normalize", "plain"]

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_CELL_FILE = re.compile(r"\S*ipykernel_\d+/\d+\.py")
_WIDGETS = "application/vnd.jupyter.widget-view+json"


def normalize(notebook):
    """Remove what differs from run to run, in place.

    Times and papermill's bookkeeping, progress bars, widget state, memory addresses, and the
    folder of the clone or of the environment.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    """
    notebook.metadata = copy.deepcopy(METADATA)
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = {"tags": list(tags)} if tags else {}
        if cell.cell_type == "code":
            cell.outputs = _merge_streams(map(_normalize_output, cell.outputs))


def plain(text):
    """Text without terminal colours, memory addresses and absolute folders.

    Parameters
    ----------
    text : str

    Returns
    -------
    text : str
    """
    text = _ADDRESS.sub("0x…", _CELL_FILE.sub("<cell>", _ANSI.sub("", text)))
    library = f"{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages/"
    return text.replace(library, "").replace(f"{files.ROOT}/", "").replace(str(files.ROOT), ".")


def _normalize_output(output):
    if output.output_type == "stream":
        # A progress bar redraws its line with a carriage return.
        lines = "".join(output.text).split("\n")
        text = "\n".join(line for line in lines if "\r" not in line)
        output.text = plain(text)
        return output if text.strip() else None
    if output.output_type == "error":
        output.traceback = [plain(line) for line in output.traceback]
        output.evalue = plain(output.evalue)
        return output
    if _WIDGETS in output.data:
        return None
    output.metadata = {}
    for kind, content in output.data.items():
        if isinstance(content, str) and not kind.startswith("image/"):
            output.data[kind] = plain(content)
    return output


def _merge_streams(outputs):
    """One stdout and one stderr between two other outputs: their interleaving is a race."""
    merged, streams = [], {}
    for output in [output for output in outputs if output] + [None]:
        if output is not None and output.output_type == "stream":
            if output.name in streams:
                streams[output.name].text += output.text
            else:
                streams[output.name] = output
            continue
        merged += [streams[name] for name in ("stdout", "stderr") if name in streams]
        streams = {}
        if output is not None:
            merged.append(output)
    return merged
