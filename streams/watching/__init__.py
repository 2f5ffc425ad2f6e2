"""What is said of a running scorer and its stream: metrics, health, promise, entities that stopped sending, stalls, traces."""
