"""Readers of original file formats, one module each: a pure function from a path to tasks."""
