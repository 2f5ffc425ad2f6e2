"""How the parts run: real services on one machine, and the definitions for a cluster of containers."""
