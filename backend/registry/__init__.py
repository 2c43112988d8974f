"""Participants, roles, wallets, sites, meters and their keys; community rules and clock."""
