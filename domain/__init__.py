"""The nouns that every room of the house shares: frozen, validated, free of any framework.

Signs: positive is consumption, import, charging; negative is generation, export, discharging.
Time is UTC and intervals are half-open ``[start, end)``.
Money is an integer number of micro-units of the stablecoin (6 decimals); settled energy is integer Wh.
"""
