"""RLEF: code models that learn to fix their own programs from execution feedback (arXiv 2410.02089)."""

__version__ = "0.1.0"
