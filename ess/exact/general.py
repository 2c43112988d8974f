"""The general case: the same dynamic programme when prices make an interval's cost non-convex.

A negative price pays for burning energy, and a feed-in price above the price of import pays for a detour:
then g has a concave kink, and so has the value function. ``F_t`` is kept as its points, exact and piecewise
linear; its convolution with g is the lower envelope of the convolutions of F's convex runs with those of g,
each of them a merge of slopes. Within the bounds of the state of charge few points survive. The plan is read
back from the stored functions, and the least value of the last one is the proof.
"""

import numpy as np
from numba import njit

from ess.exact.convex import PIECES, SLACK, SOLVED, UNMET, pieces

MOST_POINTS = 4_096
CROWDED = 2
SAME_KWH = 1e-12
SAME_COST = 1e-13
SAME_SLOPE = 1e-10


@njit(cache=True, inline="always", error_model="numpy")
def _push(s, v, count, at, value):
    """Append a point; one that lies on the line of its neighbours is no point."""
    if count > 0 and at - s[count - 1] <= SAME_KWH:
        v[count - 1] = min(v[count - 1], value)
        return count
    if count > 1:
        share = (s[count - 1] - s[count - 2]) / (at - s[count - 2])
        line = v[count - 2] + share * (value - v[count - 2])
        if abs(v[count - 1] - line) <= SAME_COST * (1.0 + abs(line)):
            count -= 1
    s[count], v[count] = at, value
    return count + 1


@njit(cache=True, error_model="numpy")
def _run_end(s, v, begin, count):
    """Where the convex run that begins at point ``begin`` ends."""
    end = begin + 1
    if end >= count:
        return begin
    slope = (v[end] - v[begin]) / (s[end] - s[begin])
    while end + 1 < count:
        following = (v[end + 1] - v[end]) / (s[end + 1] - s[end])
        if following < slope - SAME_SLOPE:
            break
        slope = following
        end += 1
    return end


@njit(cache=True, error_model="numpy")
def _merge(fs, fv, i, i_end, gs, gv, j, j_end, out_s, out_v):
    """The convolution of two convex runs: their slopes in order."""
    out_s[0], out_v[0] = fs[i] + gs[j], fv[i] + gv[j]
    count = 1
    while i < i_end or j < j_end:
        if j == j_end or (
            i < i_end
            and (fv[i + 1] - fv[i]) * (gs[j + 1] - gs[j]) <= (gv[j + 1] - gv[j]) * (fs[i + 1] - fs[i])
        ):
            i += 1
        else:
            j += 1
        out_s[count], out_v[count] = fs[i] + gs[j], fv[i] + gv[j]
        count += 1
    return count


@njit(cache=True, error_model="numpy")
def _lower(a_s, a_v, a_count, b_s, b_v, b_count, out_s, out_v):
    """The lower envelope of two functions, of which the second begins and ends no earlier than the first."""
    count, i, j = 0, 0, 0
    while i < a_count and a_s[i] < b_s[0]:
        count = _push(out_s, out_v, count, a_s[i], a_v[i])
        i += 1
    end = a_s[a_count - 1]
    at = out_at = b_s[0]
    a_before = b_before = 0.0
    while at <= end:
        # i and j are the next points at or after ``at``.
        if a_s[i] == at or i == 0:
            a_here = a_v[i]
        else:
            a_here = a_v[i - 1] + (a_v[i] - a_v[i - 1]) * (at - a_s[i - 1]) / (a_s[i] - a_s[i - 1])
        if b_s[j] == at or j == 0:
            b_here = b_v[j]
        else:
            b_here = b_v[j - 1] + (b_v[j] - b_v[j - 1]) * (at - b_s[j - 1]) / (b_s[j] - b_s[j - 1])
        before, here = a_before - b_before, a_here - b_here
        if before * here < 0.0:
            share = before / (before - here)
            crossing = out_at + share * (at - out_at)
            count = _push(out_s, out_v, count, crossing, a_before + share * (a_here - a_before))
        count = _push(out_s, out_v, count, at, min(a_here, b_here))
        out_at, a_before, b_before = at, a_here, b_here
        if i < a_count and a_s[i] <= at:
            i += 1
        if j < b_count and b_s[j] <= at:
            j += 1
        if i >= a_count or j >= b_count:
            break
        at = min(a_s[i], b_s[j])
    while j < b_count:
        if b_s[j] > end:
            count = _push(out_s, out_v, count, b_s[j], b_v[j])
        j += 1
    return count


@njit(cache=True, error_model="numpy")
def _cut(s, v, count, low, high):
    """The points of the function between ``low`` and ``high``, moved to the front; 0 when none is left."""
    if s[count - 1] < low - SLACK or s[0] > high + SLACK:
        return 0
    first, last = 0, count - 1
    while first < last and s[first + 1] <= low:
        first += 1
    if first < last and s[first] < low:
        share = (low - s[first]) / (s[first + 1] - s[first])
        v[first] += share * (v[first + 1] - v[first])
        s[first] = low
    while last > first and s[last - 1] >= high:
        last -= 1
    if last > first and s[last] > high:
        share = (high - s[last - 1]) / (s[last] - s[last - 1])
        v[last] = v[last - 1] + share * (v[last] - v[last - 1])
        s[last] = high
    for point in range(first, last + 1):
        s[point - first], v[point - first] = s[point], v[point]
    return last - first + 1


@njit(cache=True, nogil=True, error_model="numpy")
def solve_rows(chosen, given):
    """(charge kW (k, T), discharge kW (k, T), least cost (k,), status (k,)) of the k rows ``chosen``."""
    rows, steps = len(chosen), given.net_load_kw.shape[1]
    charge_kw, discharge_kw = np.zeros((rows, steps)), np.zeros((rows, steps))
    least_cost, status = np.full(rows, np.inf), np.zeros(rows, dtype=np.int8)
    room = MOST_POINTS
    run_s, run_v, swap_s, swap_v = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    new_s, new_v, out_s, out_v = np.empty(room), np.empty(room), np.empty(room), np.empty(room)
    gs, gv = np.empty((steps, PIECES + 1)), np.empty((steps, PIECES + 1))
    g_count = np.empty(steps, dtype=np.int64)
    stored_s, stored_v = np.empty(64 * steps), np.empty(64 * steps)
    offset = np.empty(steps + 2, dtype=np.int64)
    for k in range(rows):
        row = chosen[k]
        stored_s[0], stored_v[0] = given.initial_kwh[row], 0.0
        offset[0], offset[1] = 0, 1
        for t in range(steps):
            net = given.net_load_kw[row, t]
            least = max(-given.max_discharge_kw[row], -given.export_limit_kw[row, t] - net)
            most = max(min(given.max_charge_kw[row], given.import_limit_kw[row, t] - net), least)
            cost, moved, a, b, c, la, lb, lc = pieces(
                net,
                given.buy[row, t],
                given.sell[row, t],
                given.wear[row],
                given.gain[row],
                given.loss[row],
                given.step_h / given.loss[row],
                given.step_h / given.gain[row],
                least,
                most,
                given.step_h,
            )
            gs[t, 0], gv[t, 0] = moved, cost
            points = 1
            for slope, length in ((a, la), (b, lb), (c, lc)):
                if length > 0.0:
                    gs[t, points], gv[t, points] = (
                        gs[t, points - 1] + length,
                        gv[t, points - 1] + slope * length,
                    )
                    points += 1
            g_count[t] = points
            fs, fv = stored_s[offset[t] : offset[t + 1]], stored_v[offset[t] : offset[t + 1]]
            f_count = len(fs)
            if 4 * (f_count + points) * points > room:
                status[k] = CROWDED
                break
            count, i = 0, 0
            while True:
                i_end = _run_end(fs, fv, i, f_count)
                run_count, j = 0, 0
                while True:
                    j_end = _run_end(gs[t], gv[t], j, points)
                    if run_count == 0:
                        run_count = _merge(fs, fv, i, i_end, gs[t], gv[t], j, j_end, run_s, run_v)
                    else:
                        found = _merge(fs, fv, i, i_end, gs[t], gv[t], j, j_end, new_s, new_v)
                        run_count = _lower(run_s, run_v, run_count, new_s, new_v, found, swap_s, swap_v)
                        run_s, swap_s, run_v, swap_v = swap_s, run_s, swap_v, run_v
                    j = j_end
                    if j >= points - 1:
                        break
                if count == 0:
                    for point in range(run_count):
                        count = _push(out_s, out_v, count, run_s[point], run_v[point])
                else:
                    count = _lower(out_s, out_v, count, run_s, run_v, run_count, swap_s, swap_v)
                    out_s, swap_s, out_v, swap_v = swap_s, out_s, swap_v, out_v
                i = i_end
                if i >= f_count - 1:
                    break
            floor = given.floor_kwh[row, t]
            count = _cut(out_s, out_v, count, floor, given.capacity_kwh[row])
            if count == 0:
                status[k] = UNMET
                break
            begin, end = offset[t + 1], offset[t + 1] + count
            if end > len(stored_s):
                stored_s = np.concatenate((stored_s, np.empty(end + len(stored_s))))
                stored_v = np.concatenate((stored_v, np.empty(end + len(stored_v))))
            stored_s[begin:end], stored_v[begin:end] = out_s[:count], out_v[:count]
            offset[t + 2] = end
        if status[k] != SOLVED:
            continue
        begin, end = offset[steps], offset[steps + 1]
        best = begin + np.argmin(stored_v[begin:end])
        at, least_cost[k] = stored_s[best], stored_v[best]
        for t in range(steps - 1, -1, -1):
            before = _step_back(
                stored_s[offset[t] : offset[t + 1]],
                stored_v[offset[t] : offset[t + 1]],
                gs[t, : g_count[t]],
                gv[t, : g_count[t]],
                at,
            )
            change = at - before
            if change > 0.0:
                charge_kw[k, t] = change / given.gain[row]
            else:
                discharge_kw[k, t] = -change / given.loss[row]
            at = before
    return charge_kw, discharge_kw, least_cost, status


@njit(cache=True, error_model="numpy")
def _step_back(fs, fv, gs, gv, at):
    """The state before, of the best way to ``at``: at a point of F, or a point of g away."""
    best, least = fs[0], np.inf
    last = len(gs) - 1
    for i in range(len(fs)):
        change = min(max(at - fs[i], gs[0]), gs[last])
        if abs(change - (at - fs[i])) <= SLACK:
            value = fv[i] + _value(gs, gv, change)
            if value < least:
                best, least = fs[i], value
    for j in range(len(gs)):
        before = at - gs[j]
        if fs[0] <= before <= fs[-1]:
            value = _value(fs, fv, before) + gv[j]
            if value < least:
                best, least = before, value
    return best


@njit(cache=True, error_model="numpy")
def _value(s, v, at):
    """Linear interpolation between points."""
    if len(s) == 1:
        return v[0]
    right = min(max(np.searchsorted(s, at), 1), len(s) - 1)
    return v[right - 1] + (v[right] - v[right - 1]) * (at - s[right - 1]) / (s[right] - s[right - 1])
