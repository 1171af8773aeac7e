"""Why is it slower: from a run and a live copy of its database to advice that was tried."""
