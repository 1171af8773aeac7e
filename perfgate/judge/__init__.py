"""The room that decides: plain values in, plain values out; no clock, disk or network."""
