"""How good the advice is: services with a planted fault and their harmless twins, each gated for real."""
