"""Control without foresight: each interval is decided knowing the net load metered so far, and no later one.

Prices of the whole horizon are known at its start (a tariff); the net load ahead is believed from an
``Outlook``. ``mpc`` re-plans by a stochastic dynamic programme, ``policy`` is a network trained by
back-propagation through the simulator, ``agents`` holds PPO and DQN. All decide by order-up-to levels
(``levels``), which any limit may bend, so that every plan is feasible.
"""
