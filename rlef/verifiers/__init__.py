"""Verifiers: V-STaR beside the policy. Programs become pairs, pairs a verifier, and its scores choose an answer."""
