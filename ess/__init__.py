"""Everything that can store energy: one equation of its state, plans for it, and why a plan is what it is.

Powers are kW at the AC terminal, energies kWh, prices units of money per kWh (floats). Positive is
consumption, import, charging. Arrays are batch first: row i is battery i, column t is interval t.
"""
