"""HTTP plumbing that any dialect may use; it knows no vendor and no adapter."""
