"""Whether the latent space is real: its map, its stability, its factors, what it decodes, and what it is worth to detection."""
