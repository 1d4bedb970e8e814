"""Detecting text of a person's items in a profile."""
