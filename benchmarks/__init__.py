"""Detection quality and speed, measured beside the peers."""
