"""What a history says: level shifts, drift, odd runs, what moves together. Pure: values in, values out, no clock."""
