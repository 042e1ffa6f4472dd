# SPDX-License-Identifier: Apache-2.0
"""Star Counter for the Sugar of the first laptops: Python 2.5 and GTK 2."""

import math
import random

import gtk

from sugar.activity import activity
from sugar.graphics import style

COLUMNS = 6
ROWS = 4
MOST = 20


def choose_answers(count):
    """Return four different numbers in order, count among them."""
    lowest = max(1, count - random.randint(0, 3))
    return range(lowest, lowest + 4)


class StarCounter(activity.Activity):

    def __init__(self, handle):
        activity.Activity.__init__(self, handle)

        toolbox = activity.ActivityToolbox(self)
        self.set_toolbox(toolbox)
        toolbox.show()

        self._level = 3
        self._stars = []

        self._night = gtk.DrawingArea()
        self._night.connect('expose-event', self._expose_cb)

        row = gtk.HBox(True, style.DEFAULT_SPACING)
        row.set_border_width(style.DEFAULT_SPACING)
        self._buttons = []
        for unused in range(4):
            button = gtk.Button('')
            button.connect('clicked', self._answer_cb)
            button.set_size_request(-1, style.GRID_CELL_SIZE)
            row.pack_start(button)
            self._buttons.append(button)

        box = gtk.VBox()
        box.pack_start(self._night)
        box.pack_start(row, False)
        self.set_canvas(box)
        box.show_all()

        self._new_night()

    def _new_night(self):
        places = [(x, y) for x in range(COLUMNS) for y in range(ROWS)]
        self._stars = random.sample(places, random.randint(1, self._level))
        numbers = choose_answers(len(self._stars))
        for button, number in zip(self._buttons, numbers):
            button.set_label(str(number))
            button.set_sensitive(True)
        self._night.queue_draw()

    def _answer_cb(self, button):
        if int(button.get_label()) == len(self._stars):
            self._level = min(MOST, self._level + 1)
            self._new_night()
        else:
            # Fewer numbers to choose from, and all the time in the world.
            button.set_sensitive(False)

    def _expose_cb(self, widget, event):
        sky = widget.window.cairo_create()
        width = float(widget.allocation.width)
        height = float(widget.allocation.height)
        sky.set_source_rgb(0.05, 0.07, 0.2)
        sky.paint()
        sky.set_source_rgb(1.0, 0.85, 0.3)
        radius = min(width / COLUMNS, height / ROWS) * 0.32
        for x, y in self._stars:
            self._draw_star(sky, (x + 0.5) * width / COLUMNS,
                            (y + 0.5) * height / ROWS, radius)
        return True

    def _draw_star(self, sky, x, y, radius):
        for corner in range(10):
            reach = radius
            if corner % 2:
                reach = radius * 0.45
            angle = math.pi * (corner / 5.0 - 0.5)
            sky.line_to(x + reach * math.cos(angle),
                        y + reach * math.sin(angle))
        sky.close_path()
        sky.fill()

    def read_file(self, path):
        saved = open(path)
        try:
            text = saved.read(8).strip()
        finally:
            saved.close()
        if text.isdigit():
            self._level = max(3, min(MOST, int(text)))
            self._new_night()

    def write_file(self, path):
        saved = open(path, 'w')
        try:
            saved.write('%d\n' % self._level)
        finally:
            saved.close()
