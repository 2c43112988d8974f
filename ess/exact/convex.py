"""The convex case: a dynamic programme whose value function is a sorted list of slopes.

Let x be the change of the state of charge in an interval. What the interval costs, g(x), is piecewise linear
with at most three pieces: discharging into the grid, covering the home's deficit (or storing its surplus),
charging from the grid. ``F_t(s)``, the least cost of ending interval t with s stored, is the infimal
convolution of ``F_(t-1)`` and g. Where both are convex, that is a merge of two lists of slopes, and a bound
on the state of charge cuts the list at its ends:

    cut off at the low end    whoever keeps the floor has to use these pieces
    cut off at the high end   the battery is full: these pieces are gone for good

At the end every piece with a negative slope is used. Each carries the interval that it came from, so its
length is read back as that interval's change, and the plan is there without a search. Going backwards, the
dual of interval t (what a stored kWh costs at the margin) is that of t + 1, cut by the slopes that were cut
off in t; the Lagrangian at these duals is a lower bound, the certificate.

Where g is not convex (negative prices, feed-in above the price of import), its convex envelope takes its
place. The bound still holds; where the plan costs no more than it, the plan is optimal all the same.

Complexity: O(T * k), k the pieces that fit into the battery at one time. The idea is known:
arXiv:2002.01524 and arXiv:2009.03880.
"""

import numpy as np
from numba import njit

SOLVED, UNMET, BENT = 0, 1, 2  # BENT: some interval's cost gave way to its envelope
PIECES = 3
IDLE = 1e-12  # money per kWh: between plans of equal cost, the one that moves less
SLACK = 5e-7  # as ess.corridor.ROUNDING: a conflict that a replay would not see is none


@njit(cache=True, inline="always")
def pieces(net, buy, sell, wear, gain, loss, drawn, stored, least, most, step_h):
    """(cost at the least power, its change of SoC, three slopes, three lengths) of one interval.

    ``drawn`` is the energy at the terminal of a kWh taken from the store, ``stored`` that of a kWh put into
    it.
    """
    slope_a, slope_c = (sell - wear) * drawn, buy * stored
    if net > 0.0:
        low, high, slope_b, per_kw = -net, 0.0, (buy - wear) * drawn, loss
    else:
        low, high, slope_b, per_kw = 0.0, -net, sell * stored, gain
    length_a = max(min(low, most) - least, 0.0) * loss
    length_b = max(min(high, most) - max(low, least), 0.0) * per_kw
    length_c = max(most - max(high, least), 0.0) * gain
    grid = net + least
    cost = step_h * grid * (buy if grid > 0.0 else sell)
    change = least * gain
    if least < 0.0:
        change = least * loss
        cost -= step_h * wear * least
    return cost, change, slope_a, slope_b, slope_c, length_a, length_b, length_c


@njit(cache=True, inline="always")
def envelope(a, b, c, la, lb, lc):
    """Slopes and lengths of the convex envelope of three pieces; merged pieces have length 0."""
    if lb == 0.0:
        b = a if la > 0.0 else c
    if la == 0.0:
        a = b
    if lc == 0.0:
        c = b
    if b < a:
        a = (a * la + b * lb) / (la + lb)
        la, lb, b = la + lb, 0.0, a
        if c < a:
            a = (a * la + c * lc) / (la + lc)
            la, lc, b, c = la + lc, 0.0, a, a
    elif c < b:
        b = (b * lb + c * lc) / (lb + lc)
        lb, lc, c = lb + lc, 0.0, b
        if b < a:
            a = (a * la + b * lb) / (la + lb)
            la, lb, b, c = la + lb, 0.0, a, a
    return a, b, c, la, lb, lc


@njit(cache=True, nogil=True, error_model="numpy")
def solve_window(given, begin, end, initial_kwh, final_kwh):
    """(charge kW, discharge kW, marginal cost of stored energy, each (n, T); bound and status, each (n,))."""
    rows, steps = len(initial_kwh), end - begin
    charge_kw, discharge_kw = np.zeros((rows, steps)), np.zeros((rows, steps))
    marginal, bound = np.empty((rows, steps)), np.empty(rows)
    status = np.zeros(rows, dtype=np.int8)
    slope, length = np.empty(PIECES * steps + PIECES), np.empty(PIECES * steps + PIECES)
    tag = np.empty(PIECES * steps + PIECES, dtype=np.int32)
    slopes, lengths = np.empty((steps, PIECES)), np.empty((steps, PIECES))
    ranked = np.empty(PIECES)
    change, low_cut, high_cut = np.empty(steps), np.empty(steps), np.empty(steps)
    for row in range(rows):
        capacity, up, down = given.capacity_kwh[row], given.gain[row], given.loss[row]
        drawn, stored = given.step_h / down, given.step_h / up
        per_up, per_down = 1.0 / up, 1.0 / down
        head, tail = 0, 0
        low = high = initial_kwh[row]
        total = 0.0  # the Lagrangian, without what depends on the duals
        met = True
        for t in range(steps):
            net = given.net_load_kw[row, begin + t]
            least = max(-given.max_discharge_kw[row], -given.export_limit_kw[row, begin + t] - net)
            most = min(given.max_charge_kw[row], given.import_limit_kw[row, begin + t] - net)
            if most < least:
                if least - most > SLACK:
                    met = False
                    break
                most = least
            cost, moved, a, b, c, la, lb, lc = pieces(
                net,
                given.buy[row, begin + t],
                given.sell[row, begin + t],
                given.wear[row],
                up,
                down,
                drawn,
                stored,
                least,
                most,
                given.step_h,
            )
            if b < a or c < b:
                a, b, c, la, lb, lc = envelope(a, b, c, la, lb, lc)
                status[row] = BENT
            total += cost
            change[t] = moved
            slopes[t, 0], slopes[t, 1], slopes[t, 2] = a, b, c
            ranked[0], ranked[1], ranked[2] = a - IDLE, (b - IDLE if net > 0.0 else b + IDLE), c + IDLE
            lengths[t, 0], lengths[t, 1], lengths[t, 2] = la, lb, lc
            low, high = low + moved, high + moved + la + lb + lc
            # Merge from the back: both lists are sorted.
            at = tail - 1
            count = (la > 0.0) + (lb > 0.0) + (lc > 0.0)
            tail += count
            to = tail - 1
            for piece in range(PIECES - 1, -1, -1):
                if lengths[t, piece] > 0.0:
                    new = ranked[piece]
                    while at >= head and slope[at] > new:
                        slope[to], length[to], tag[to] = slope[at], length[at], tag[at]
                        at -= 1
                        to -= 1
                    slope[to], length[to], tag[to] = new, lengths[t, piece], t
                    to -= 1
            floor = given.floor_kwh[row, begin + t]
            if t == steps - 1:
                floor = max(floor, final_kwh[row])
            low_cut[t], high_cut[t] = -np.inf, np.inf
            if low < floor:
                need = floor - low
                while need > 0.0 and head < tail:
                    low_cut[t] = slope[head]
                    if length[head] > need:
                        change[tag[head]] += need
                        length[head] -= need
                        need = 0.0
                    else:
                        change[tag[head]] += length[head]
                        need -= length[head]
                        head += 1
                low = floor - need
                if need > SLACK:
                    met = False
                    break
            if high > capacity:
                spare = high - capacity
                while spare > 0.0 and head < tail:
                    high_cut[t] = slope[tail - 1]
                    if length[tail - 1] > spare:
                        length[tail - 1] -= spare
                        spare = 0.0
                    else:
                        spare -= length[tail - 1]
                        tail -= 1
                high = capacity + spare
                if spare > SLACK:
                    met = False
                    break
        if not met:
            status[row] = UNMET
            bound[row] = np.inf
            marginal[row] = np.nan
            continue
        while head < tail and slope[head] < 0.0:
            change[tag[head]] += length[head]
            head += 1
        after = 0.0
        for t in range(steps - 1, -1, -1):
            here = min(max(after, low_cut[t]), high_cut[t])
            marginal[row, t] = here
            if here > after:
                floor = given.floor_kwh[row, begin + t]
                total += (here - after) * (max(floor, final_kwh[row]) if t == steps - 1 else floor)
            elif here < after:
                total += (here - after) * capacity
            after = here
        total -= after * initial_kwh[row]
        for t in range(steps):
            here = marginal[row, t]
            net = given.net_load_kw[row, begin + t]
            least = max(-given.max_discharge_kw[row], -given.export_limit_kw[row, begin + t] - net)
            total -= here * (least * up if least > 0.0 else least * down)
            for piece in range(PIECES):
                total += min(slopes[t, piece] - here, 0.0) * lengths[t, piece]
            if change[t] > 0.0:
                charge_kw[row, t] = change[t] * per_up
            else:
                discharge_kw[row, t] = -change[t] * per_down
        bound[row] = total
    return charge_kw, discharge_kw, marginal, bound, status
