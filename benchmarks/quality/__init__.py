"""Detection quality beside the peers, on identical splits, seeds and preprocessing."""
