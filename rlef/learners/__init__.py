"""Learners: supervised warm start and PPO. Numerical kernels are pure and apart from the loops that call them."""
