"""Evaluation: what a model is worth on tasks it was not trained on, with intervals."""
