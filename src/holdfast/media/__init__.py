"""Hostile content: what a file is, told from its bytes, and small pictures of it made in a cage."""
