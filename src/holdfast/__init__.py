"""Holdfast: a self-hosted server for the files that hang on business records."""

__version__ = "0.1.0"
