"""Telling GitHub: comments, checks, summaries and annotations."""
