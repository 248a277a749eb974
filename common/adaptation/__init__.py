"""Unsupervised domain adaptation: methods, realistic model selection, tables of a benchmark."""
