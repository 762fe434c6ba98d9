"""Policies: loading a model, the tokens of a conversation, and sampling from it."""
