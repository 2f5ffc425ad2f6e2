"""What is said of a running scorer and its stream: metrics, health, promise, silence, stalls, traces."""
