"""The room that tells the world: reports from a result, one file each. It measures and decides nothing."""
