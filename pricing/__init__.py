"""The arithmetic of money: bidding, the call auction, price bands, settlement and demand-response baselines.

Prices are integer micro-units per kWh, money integer micro-units, energy integer Wh; floats appear only where
a forecast enters. Every rounding has a named direction.
"""
