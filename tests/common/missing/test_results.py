"""Which size is chosen, and distances to a reference."""

import numpy as np
import pandas as pd

from common.missing import gaps, selected


def scores(rows):
    columns = ["dataset", "n", "seed", "method", "size", "train", "validation", "test"]
    return pd.DataFrame(rows, columns=columns)


TABLE = scores(
    [
        ("a", 10, 0, "bayes", 0, 0.9, 0.9, 0.8),
        ("a", 10, 0, "neumiss", 1, 0.7, 0.60, 0.75),
        ("a", 10, 0, "neumiss", 3, 0.8, 0.70, 0.65),
        ("a", 10, 0, "mlp", 1, np.nan, np.nan, np.nan),
        ("a", 10, 0, "mlp", 5, 0.6, 0.10, 0.70),
        ("a", 10, 1, "bayes", 0, 0.8, 0.8, 0.7),
        ("a", 10, 1, "neumiss", 1, 0.7, 0.90, 0.50),
        ("a", 10, 1, "neumiss", 3, 0.8, 0.10, 0.60),
        ("a", 10, 1, "mlp", 1, np.nan, np.nan, np.nan),
        ("a", 10, 1, "mlp", 5, np.nan, np.nan, np.nan),
    ]
)


def test_a_size_is_chosen_on_validation_rows_of_each_problem():
    found = selected(TABLE).set_index(["seed", "method"])["size"]
    assert found[0, "neumiss"] == 3 and found[1, "neumiss"] == 1
    assert found[0, "mlp"] == 5 and found[1, "mlp"] == 1  # none has a score: the first
    assert len(found) == 6


def test_gaps_are_to_the_bayes_predictor_of_the_same_problem():
    found = gaps(TABLE).set_index(["seed", "method", "size"])
    np.testing.assert_allclose(found["test_gap"][0, "neumiss", 1], -0.05)
    np.testing.assert_allclose(found["train_gap"][1, "neumiss", 3], 0.0, atol=1e-12)
    assert np.isnan(found["test_gap"][1, "mlp", 5])
    assert len(found) == len(TABLE)


def test_gaps_to_the_best_are_to_its_chosen_size():
    found = gaps(TABLE, against="best").set_index(["seed", "method", "size"])["test_gap"]
    np.testing.assert_allclose(found[0, "mlp", 5], 0.0, atol=1e-12)  # 0.70 above 0.65
    np.testing.assert_allclose(found[0, "neumiss", 1], 0.05)
    np.testing.assert_allclose(found[1, "neumiss", 1], 0.0, atol=1e-12)
    assert "bayes" not in found.index.get_level_values("method")


def test_without_a_reference_there_is_no_gap():
    found = gaps(TABLE[1:]).set_index("seed")["test_gap"]
    assert found[0].isna().all() and found[1].notna().any() and len(found) == 9


def test_rows_may_share_their_names():
    parts = pd.concat([TABLE[:5], TABLE[5:].reset_index(drop=True)])
    pd.testing.assert_frame_equal(selected(parts), selected(TABLE))
    pd.testing.assert_frame_equal(gaps(parts, against="best"), gaps(TABLE, against="best"))
