# SPDX-License-Identifier: MIT
"""Paper Boats: choose a paper, touch the pond, and a boat sails away."""

import math

import gi
gi.require_version('Gtk', '3.0')
from gi.repository import Gdk
from gi.repository import GLib
from gi.repository import Gtk

from sugar3.activity import activity
from sugar3.activity.widgets import ActivityToolbarButton
from sugar3.activity.widgets import StopButton
from sugar3.graphics.toolbarbox import ToolbarBox

PAPERS = ((0.95, 0.35, 0.3), (1.0, 0.85, 0.35), (0.5, 0.8, 0.45),
          (0.95, 0.95, 0.9))
MOST_BOATS = 12
TICK = 50  # milliseconds


def draw_boat(context, x, y, size, paper):
    """Draw a folded boat whose water line is at (x, y)."""
    for fold, shade in (
            (((0, -1.3), (0.65, -0.1), (-0.65, -0.1)), 0.9),
            (((-1.1, -0.3), (-0.65, -0.1), (0.65, -0.1), (1.1, -0.3),
              (0.6, 0.4), (-0.6, 0.4)), 1.0)):
        context.new_path()
        for corner in fold:
            context.line_to(x + corner[0] * size, y + corner[1] * size)
        context.close_path()
        context.set_source_rgb(*[shade * part for part in paper])
        context.fill_preserve()
        context.set_source_rgb(0.25, 0.25, 0.3)
        context.stroke()


class PaperBoats(activity.Activity):

    def __init__(self, handle):
        activity.Activity.__init__(self, handle)
        self.max_participants = 1
        self._paper = 0
        self._boats = []  # [x, y, paper], x and y from 0 to 1
        self._time = 0.0

        toolbar_box = ToolbarBox()
        toolbar_box.toolbar.insert(ActivityToolbarButton(self), 0)
        separator = Gtk.SeparatorToolItem(draw=False)
        separator.set_expand(True)
        toolbar_box.toolbar.insert(separator, -1)
        toolbar_box.toolbar.insert(StopButton(self), -1)
        self.set_toolbar_box(toolbar_box)
        toolbar_box.show_all()

        self._pond = Gtk.DrawingArea()
        self._pond.add_events(Gdk.EventMask.BUTTON_PRESS_MASK)
        self._pond.connect('draw', self._draw_cb)
        self._pond.connect('button-press-event', self._touch_cb)
        self.set_canvas(self._pond)
        self._pond.show()

        tick = GLib.timeout_add(TICK, self._tick_cb)
        self.connect('destroy', lambda window: GLib.source_remove(tick))

    def _tick_cb(self):
        self._time += TICK / 1000
        for boat in self._boats:
            boat[0] += 0.0015
        self._boats = [boat for boat in self._boats if boat[0] < 1.1]
        self._pond.queue_draw()
        return True

    def _touch_cb(self, widget, event):
        width, height = (widget.get_allocated_width(),
                         widget.get_allocated_height())
        if event.y < height / 6:
            self._paper = min(len(PAPERS) - 1,
                              int(event.x * len(PAPERS) / width))
        else:
            boat = [event.x / width, event.y / height, self._paper]
            self._boats = self._boats[1 - MOST_BOATS:] + [boat]
        return True

    def _draw_cb(self, widget, context):
        width, height = (widget.get_allocated_width(),
                         widget.get_allocated_height())
        context.set_source_rgb(0.6, 0.85, 0.95)
        context.paint()
        context.set_line_width(2)
        for i, paper in enumerate(PAPERS):
            context.rectangle(i * width / len(PAPERS), 0,
                              width / len(PAPERS), height / 6)
            context.set_source_rgb(*paper)
            context.fill()
        draw_boat(context, (self._paper + 0.5) * width / len(PAPERS),
                  height / 9, height / 20, PAPERS[self._paper])
        for x, y, paper in sorted(self._boats, key=lambda boat: boat[1]):
            bob = math.sin(self._time * 2 + x * 20) * height / 120
            draw_boat(context, x * width, y * height + bob,
                      height / 14, PAPERS[paper])
        return True
