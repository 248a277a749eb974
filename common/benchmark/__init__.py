"""Pipelines on data sets: a benchmark of brain-computer interfaces in resumable pieces."""
