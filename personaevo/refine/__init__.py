"""Refining a profile of one person against what that person really did."""
