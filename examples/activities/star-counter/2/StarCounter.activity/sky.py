# SPDX-License-Identifier: Apache-2.0
"""The rules of Star Counter, without a screen."""

import random

COLUMNS = 8
ROWS = 5
LAST_LEVEL = 10
STREAK = 3

GOLD = 'gold'
BLUE = 'blue'


class Sky:
    """One night after another; each has stars, and four numbers to choose from."""

    def __init__(self, chance=None):
        self._chance = chance or random.Random()
        self.level = 1
        self.streak = 0
        self.new_night()

    def new_night(self):
        """Put out the stars and light others."""
        most = 2 + 3 * self.level
        gold = self._chance.randint(1, most // 2 + 1)
        blue = self._chance.randint(0, most - gold)
        places = [(x, y) for x in range(COLUMNS) for y in range(ROWS)]
        chosen = self._chance.sample(places, gold + blue)
        self.stars = [(x, y, GOLD if i < gold else BLUE)
                      for i, (x, y) in enumerate(chosen)]
        self.counted = []
        lowest = max(1, len(self.stars) - self._chance.randint(0, 3))
        self.answers = [lowest + i for i in range(4)]

    def touch(self, x, y):
        """Count the star at a place; touching it again takes its number back."""
        if (x, y) in self.counted:
            self.counted.remove((x, y))
        elif any((x, y) == star[:2] for star in self.stars):
            self.counted.append((x, y))

    def answer(self, number):
        """Say how many there are. True, and a new night, when it is right."""
        if number != len(self.stars):
            self.streak = 0
            return False
        self.streak += 1
        if self.streak == STREAK:
            self.streak = 0
            self.level = min(LAST_LEVEL, self.level + 1)
        self.new_night()
        return True

    def resume(self, level):
        """Go on at a level kept in the Journal."""
        self.level = max(1, min(LAST_LEVEL, level))
        self.streak = 0
        self.new_night()
