"""How healthy a battery cell is, how it will fade, how long it lasts; and the charge of a tower's battery.

State of health (SoH) is capacity as a share of the rated one; remaining useful life (RUL) is in cycles.
"""
