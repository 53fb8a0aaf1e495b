"""Bytes at rest: files and shared segments on a disk, behind the core's `Blobs` port."""
