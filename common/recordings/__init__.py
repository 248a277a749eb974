"""Raw files → `mne.io.Raw` (V, Hz, named channels, annotations), event tables, model input.

A recording is an `mne.io.Raw` whose annotations are its events; `events_table` turns them into rows
``start`` (s), ``end`` (s), ``label``. What each source needs is in a module of its own. Archives of
cut trials without names of channels (`read_ts`) are arrays.
"""

from common.recordings.annotations import (
    annotate,
    boundaries,
    drop_crossing,
    events_from_raw,
    events_table,
    merge_overlaps,
    pair_events,
)
from common.recordings.bands import band_covariances
from common.recordings.camcan import find_camcan, read_camcan
from common.recordings.eeghdf import read_eeghdf
from common.recordings.moabb import read_moabb
from common.recordings.preprocess import preprocess, robust_scale
from common.recordings.ts import TimeSeriesCases, read_ts, restore_channels
from common.recordings.tuh import find_tuh, read_tuh, read_tuh_events

__all__ = [
    "TimeSeriesCases",
    "annotate",
    "band_covariances",
    "boundaries",
    "drop_crossing",
    "events_from_raw",
    "events_table",
    "find_camcan",
    "find_tuh",
    "merge_overlaps",
    "pair_events",
    "preprocess",
    "read_camcan",
    "read_eeghdf",
    "read_moabb",
    "read_ts",
    "read_tuh",
    "read_tuh_events",
    "restore_channels",
    "robust_scale",
]
