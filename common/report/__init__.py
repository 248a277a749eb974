"""What a paper shows: tables, statistics, figures, claims, and whether a rerun agrees."""
