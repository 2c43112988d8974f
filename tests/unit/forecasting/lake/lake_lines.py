"""Lines of quotes and delimiters in any order, and a slow second opinion on them."""

import numpy as np

PIECES = (b'"', b'"', b",", b",", b"a", "é".encode())
ENDS = (b"\n", b"\n", b"\r\n", b"\r")


def random_lines(rng: np.random.Generator) -> bytes:
    """Up to seven short lines, the last of them with an end or without."""
    lines = [
        b"".join(PIECES[piece] for piece in rng.integers(len(PIECES), size=rng.integers(9)))
        + ENDS[rng.integers(len(ENDS))]
        for _ in range(rng.integers(8))
    ]
    content = b"".join(lines)
    return content if rng.random() < 0.7 else content.rstrip(b"\r\n")


def is_paired(line: bytes) -> bool:
    """Whether the line has an even number of quotes, and no quoted cell is open at its end."""
    is_quoted, begins, place = False, True, 0
    while place < len(line):
        char = line[place : place + 1]
        if is_quoted and line[place : place + 2] == b'""':
            place += 1
        elif is_quoted:
            is_quoted = char != b'"'
        else:
            is_quoted = begins and char == b'"'
            begins = char == b","
        place += 1
    return not is_quoted and line.count(b'"') % 2 == 0
