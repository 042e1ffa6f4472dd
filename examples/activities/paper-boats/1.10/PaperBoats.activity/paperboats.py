# SPDX-License-Identifier: MIT
"""Paper Boats: draw on a sheet, fold it, and your drawing sails."""

import json
from gettext import gettext as _

import gi
gi.require_version('Gtk', '3.0')
from gi.repository import Gdk
from gi.repository import GLib
from gi.repository import Gtk

from sugar3 import profile
from sugar3.activity import activity
from sugar3.activity.widgets import ActivityToolbarButton
from sugar3.activity.widgets import StopButton
from sugar3.graphics import style
from sugar3.graphics.toolbarbox import ToolbarBox
from sugar3.graphics.toolbutton import ToolButton

import pond

TICK = 50  # milliseconds
PAPER = (0.98, 0.97, 0.92)


def draw_pond(context, width, height, water, ink):
    """Draw a pond.Pond, the far boats first."""
    context.set_source_rgb(0.6, 0.85, 0.95)
    context.paint()
    context.set_source_rgb(0.5, 0.78, 0.92)
    context.set_line_width(3)
    for row in range(1, 9):
        y = row * height / 9
        shift = (water.time * 12 + row * 31) % 60 - 60
        while shift < width:
            context.arc(shift + 15, y, 15, 0.5, 2.64)
            context.stroke()
            shift += 60
    size = min(width, height) / 11
    for boat in sorted(water.boats, key=lambda boat: boat.lane):
        x = size * 1.2 + boat.x * (width - 2.4 * size)
        y = size * 2 + boat.lane * (height - 3 * size)
        context.save()
        context.translate(x, y + water.bob(boat) * size / 10)
        context.rotate(water.bob(boat) * 0.06)
        context.scale(size, size)
        draw_boat(context, boat, ink)
        context.restore()


def draw_boat(context, boat, ink):
    """Draw a boat with its water line at the origin, two units long."""
    context.set_line_width(0.05)
    for fold in (((0, -1.5), (0.75, -0.1), (-0.75, -0.1)),
                 ((-1.1, -0.35), (-0.75, -0.1), (0.75, -0.1), (1.1, -0.35),
                  (0.6, 0.4), (-0.6, 0.4))):
        context.new_path()
        for corner in fold:
            context.line_to(*corner)
        context.close_path()
        context.set_source_rgb(*PAPER)
        context.fill_preserve()
        context.set_source_rgb(0.3, 0.3, 0.35)
        context.stroke()
    # The sheet is folded to the triangle of the sail: narrow at the top.
    context.set_source_rgba(*ink)
    for line in boat.lines:
        for x, y in line:
            context.line_to((x - 0.5) * 1.3 * (0.1 + 0.9 * y),
                            -1.4 + 1.25 * y)
        context.stroke()


def draw_sheet(context, width, height, sheet, ink):
    """Draw the paper with the lines on it."""
    context.set_source_rgb(*PAPER)
    context.paint()
    context.set_source_rgba(*ink)
    context.set_line_width(width / 40)
    context.set_line_cap(1)
    for line in sheet.lines:
        for x, y in line:
            context.line_to(x * width, y * height)
        if len(line) == 1:
            context.rel_line_to(0, 0.1)
        context.stroke()


class PaperBoats(activity.Activity):

    def __init__(self, handle):
        activity.Activity.__init__(self, handle)
        self.max_participants = 1
        self._pond = pond.Pond()
        self._sheet = pond.Sheet()
        self._ink = style.Color(
            profile.get_color().get_stroke_color()).get_rgba()
        self._build_toolbar()

        self._water = Gtk.DrawingArea()
        self._water.connect('draw', self._water_draw_cb)

        self._paper = Gtk.DrawingArea()
        self._paper.set_size_request(style.GRID_CELL_SIZE * 3,
                                     style.GRID_CELL_SIZE * 3)
        self._paper.add_events(Gdk.EventMask.BUTTON_PRESS_MASK |
                               Gdk.EventMask.BUTTON1_MOTION_MASK)
        self._paper.connect('draw', self._paper_draw_cb)
        self._paper.connect('button-press-event', self._paper_press_cb)
        self._paper.connect('motion-notify-event', self._paper_drag_cb)

        fold = Gtk.Button(label=_('Fold and launch'))
        fold.set_size_request(-1, style.GRID_CELL_SIZE)
        fold.connect('clicked', self._launch_cb)

        desk = Gtk.Box(orientation=Gtk.Orientation.VERTICAL,
                       spacing=style.DEFAULT_SPACING,
                       border_width=style.DEFAULT_SPACING)
        desk.pack_start(Gtk.Label(label=_('Draw here')), False, False, 0)
        desk.pack_start(self._paper, False, False, 0)
        desk.pack_start(fold, False, False, 0)
        box = Gtk.Box()
        box.pack_start(desk, False, False, 0)
        box.pack_start(self._water, True, True, 0)
        self.set_canvas(box)
        box.show_all()

        tick = GLib.timeout_add(TICK, self._tick_cb)
        self.connect('destroy', lambda window: GLib.source_remove(tick))

    def _build_toolbar(self):
        toolbar_box = ToolbarBox()
        toolbar_box.toolbar.insert(ActivityToolbarButton(self), 0)
        for icon, label, callback in (
                ('view-refresh', _('Turn the wind'), self._wind_cb),
                ('edit-clear', _('A new sheet'), self._new_sheet_cb)):
            button = ToolButton(icon)
            button.set_tooltip(label)
            button.connect('clicked', callback)
            toolbar_box.toolbar.insert(button, -1)
        separator = Gtk.SeparatorToolItem(draw=False)
        separator.set_expand(True)
        toolbar_box.toolbar.insert(separator, -1)
        toolbar_box.toolbar.insert(StopButton(self), -1)
        self.set_toolbar_box(toolbar_box)
        toolbar_box.show_all()

    def _tick_cb(self):
        self._pond.sail(TICK / 1000)
        self._water.queue_draw()
        return True

    def _wind_cb(self, button):
        self._pond.turn_wind()

    def _new_sheet_cb(self, button):
        self._sheet = pond.Sheet()
        self._paper.queue_draw()

    def _launch_cb(self, button):
        self._pond.launch(self._sheet)
        self._new_sheet_cb(button)

    def _water_draw_cb(self, widget, context):
        draw_pond(context, widget.get_allocated_width(),
                  widget.get_allocated_height(), self._pond, self._ink)
        return True

    def _paper_draw_cb(self, widget, context):
        draw_sheet(context, widget.get_allocated_width(),
                   widget.get_allocated_height(), self._sheet, self._ink)
        return True

    def _paper_press_cb(self, widget, event):
        self._sheet.press(event.x / widget.get_allocated_width(),
                          event.y / widget.get_allocated_height())
        widget.queue_draw()
        return True

    def _paper_drag_cb(self, widget, event):
        self._sheet.drag(event.x / widget.get_allocated_width(),
                         event.y / widget.get_allocated_height())
        widget.queue_draw()
        return True

    def read_file(self, file_path):
        try:
            with open(file_path) as saved:
                self._pond.load(json.load(saved))
        except ValueError:
            # Not a fleet of ours: an empty pond is a good place to begin.
            return

    def write_file(self, file_path):
        with open(file_path, 'w') as saved:
            json.dump(self._pond.dump(), saved)
