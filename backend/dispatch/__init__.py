"""Commands out to devices: leases, acknowledgements."""
