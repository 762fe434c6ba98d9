"""The environment in other trainers' terms: one thin module each, which needs that trainer's package installed."""
