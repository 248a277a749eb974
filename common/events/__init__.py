"""Sets of events in continuous recordings: windows, targets, decoding and metrics.

Importing this package does not import torch. What needs it is a module of its own:
``from common.events import criterion``.
"""

from common.events.decoding import average_windows, decode_dense, decode_set
from common.events.evaluation import (
    DURATION_CUTS,
    detection_table,
    duration_table,
    score_table,
    split_recordings,
    split_subjects,
)
from common.events.merging import merge_windows
from common.events.metrics import EventScore, by_duration, f1_event, iou
from common.events.recording import Recording, read_recordings, write_recordings
from common.events.sample_metrics import SampleScore, f1_sample, render
from common.events.sets import Events, concatenate
from common.events.szcore import SeizureScore, szcore
from common.events.windows import (
    Coverage,
    coverage,
    pad_targets,
    targets,
    window_starts,
)

__all__ = [
    "DURATION_CUTS",
    "Coverage",
    "EventScore",
    "Events",
    "Recording",
    "SampleScore",
    "SeizureScore",
    "average_windows",
    "by_duration",
    "concatenate",
    "coverage",
    "decode_dense",
    "decode_set",
    "detection_table",
    "duration_table",
    "f1_event",
    "f1_sample",
    "iou",
    "merge_windows",
    "pad_targets",
    "read_recordings",
    "render",
    "score_table",
    "split_recordings",
    "split_subjects",
    "szcore",
    "targets",
    "window_starts",
    "write_recordings",
]
