"""Looking after what is stored: expiring, collecting, verifying, repairing and copying it, alone or as duties."""
