# SPDX-License-Identifier: MIT
"""The pond of Paper Boats, without a screen.

Everything is measured in parts of the whole: a boat at x = 0.5 is half way
across, a point (0.5, 0.5) is the middle of the sheet of paper.
"""

import math

MOST_BOATS = 12
MOST_POINTS = 600
SPEED = 0.03  # of the pond, in a second


class Sheet:
    """A sheet of paper and the lines drawn on it."""

    def __init__(self):
        self.lines = []

    def press(self, x, y):
        """Begin a line."""
        if self._room() and self._inside(x, y):
            self.lines.append([(x, y)])

    def drag(self, x, y):
        """Go on with the line; the pen stays on the paper."""
        if self._room() and self.lines:
            self.lines[-1].append((min(1.0, max(0.0, x)),
                                   min(1.0, max(0.0, y))))

    def _room(self):
        return sum(len(line) for line in self.lines) < MOST_POINTS

    @staticmethod
    def _inside(x, y):
        return 0 <= x <= 1 and 0 <= y <= 1


class Boat:

    def __init__(self, lane, lines, x=0.0):
        self.lane = lane
        self.lines = lines
        self.x = x


class Pond:
    """Boats in the order they were launched, and one wind for all."""

    def __init__(self):
        self.boats = []
        self.wind = 1
        self.time = 0.0
        self._launched = 0

    def launch(self, sheet):
        """Fold a sheet into a boat at the shore the wind comes from."""
        lane = (self._launched * 5 % 8 + 0.5) / 8
        self._launched += 1
        start = 0.0 if self.wind > 0 else 1.0
        self.boats = self.boats[1 - MOST_BOATS:]
        self.boats.append(Boat(lane, sheet.lines, start))

    def turn_wind(self):
        self.wind = -self.wind

    def sail(self, seconds):
        """Let time pass. A boat that reaches the shore waits there."""
        self.time += seconds
        for boat in self.boats:
            x = boat.x + self.wind * SPEED * seconds * (1 + boat.lane / 2)
            boat.x = min(1.0, max(0.0, x))

    def bob(self, boat):
        """How high a boat rides just now, from -1 to 1."""
        return math.sin(self.time * 2 + boat.lane * 25 + boat.x * 12)

    def dump(self):
        """Return the fleet as values for JSON."""
        return {'wind': self.wind,
                'boats': [{'x': boat.x, 'lane': boat.lane,
                           'lines': boat.lines} for boat in self.boats]}

    def load(self, saved):
        """Take over a fleet from dump(); ValueError if it is not one."""
        try:
            boats = [Boat(_part(kept['lane']),
                          [[(_part(x), _part(y)) for x, y in line[:MOST_POINTS]]
                           for line in kept['lines'][:MOST_POINTS]],
                          _part(kept['x']))
                     for kept in saved['boats'][-MOST_BOATS:]]
            wind = -1 if saved['wind'] == -1 else 1
        except (KeyError, TypeError) as error:
            raise ValueError('this is not a fleet: %s' % error)
        self.boats, self.wind = boats, wind
        self._launched = len(boats)


def _part(number):
    """Return number as a float from 0 to 1, or raise ValueError."""
    number = float(number)
    if not 0 <= number <= 1:
        raise ValueError('%r is not between 0 and 1' % number)
    return number
