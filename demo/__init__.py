"""The demo community: real series replayed by simulated devices that stand outside the platform.

Devices, owners' wallets and the demo chain's timekeeper live here. They speak to the platform only through
its public doors (HTTP, MQTT, the chain), so that it cannot tell them from hardware; nothing here imports
``backend``.
"""
