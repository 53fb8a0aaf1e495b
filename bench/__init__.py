"""Measures Holdfast beside its peers on one machine: `python -m bench.run`."""
