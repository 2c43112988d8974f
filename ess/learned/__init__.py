"""Schedulers that learn to plan: ``l2o``, one policy for any battery, and the system this room grew from."""
