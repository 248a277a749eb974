"""Planar point patterns in a square window: processes, statistics, and models of one pattern."""
