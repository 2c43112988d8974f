"""Price runs, orders, auctions, trades."""
