"""Experiments: several systems, the same subject-wise folds, one report. One file, one experiment."""
