// SPDX-License-Identifier: Apache-2.0
"use strict";

(function () {
    var TOUCH = 9; // how near to a star a touch must be, in parts of the square of 100
    var language = (navigator.language || "en").slice(0, 2);
    var say = WORDS[language] || WORDS.en;
    var canvas = document.getElementById("sky");
    var name = document.getElementById("name");
    var story = document.getElementById("story");
    var here = 0; // the sky that is shown
    var first = -1; // the star touched first, or -1
    var lines = SKIES.map(function (sky) { return new Lines(sky, recall(sky.id)); });

    // Where a page may keep nothing, the drawing lasts as long as the page.
    function recall(id) {
        try {
            return JSON.parse(localStorage.getItem("night-sky-" + id));
        } catch (error) {
            return null;
        }
    }

    function keep() {
        try {
            localStorage.setItem("night-sky-" + SKIES[here].id, JSON.stringify(lines[here].keys()));
        } catch (error) {
            return;
        }
    }

    // The square of stars stands in the middle of the canvas, as large as fits.
    function frame() {
        var side = Math.min(canvas.width, canvas.height) * 0.94;
        return { side: side, left: (canvas.width - side) / 2, top: (canvas.height - side) / 2 };
    }

    function place(star) {
        var box = frame();
        return [box.left + star[0] * box.side / 100, box.top + star[1] * box.side / 100];
    }

    function colour(property) {
        return getComputedStyle(document.documentElement).getPropertyValue(property).trim();
    }

    // scatter calls light for the far stars, which stand at the same places every night: a
    // generator of Lehmer's with a fixed seed says where.
    function scatter(count, light) {
        var seed = 2009;
        function next() {
            seed = seed * 16807 % 2147483647;
            return seed / 2147483647;
        }
        for (var i = 0; i < count; i += 1) {
            light(next(), next());
        }
    }

    function draw() {
        var pen = canvas.getContext("2d");
        var sky = SKIES[here], unit = frame().side / 100;
        var words = sky[language] || sky.en, found = lines[here].found();

        pen.fillStyle = "#0b1026";
        pen.fillRect(0, 0, canvas.width, canvas.height);
        pen.fillStyle = "rgba(255, 255, 255, 0.35)";
        scatter(150, function (x, y) {
            pen.fillRect(x * canvas.width, y * canvas.height, 2, 2);
        });
        pen.strokeStyle = colour("--stroke");
        pen.lineWidth = unit * (found ? 1.4 : 0.8);
        lines[here].keys().forEach(function (key) {
            var ends = key.split("-");
            var from = place(sky.stars[ends[0]]), to = place(sky.stars[ends[1]]);
            pen.beginPath();
            pen.moveTo(from[0], from[1]);
            pen.lineTo(to[0], to[1]);
            pen.stroke();
        });
        sky.stars.forEach(function (star, i) {
            var at = place(star);
            pen.fillStyle = i === first ? colour("--stroke") : colour("--fill");
            pen.beginPath();
            pen.arc(at[0], at[1], unit * (i === first ? 2.6 : 1.8), 0, 2 * Math.PI);
            pen.fill();
        });
        name.textContent = words[0];
        story.textContent = found || !sky.lines.length ? words[1] : say.join;
    }

    function touch(event) {
        var box = canvas.getBoundingClientRect(), square = frame();
        var x = (event.clientX - box.left) * canvas.width / box.width;
        var y = (event.clientY - box.top) * canvas.height / box.height;
        var nearest = -1, least = TOUCH * square.side / 100;
        SKIES[here].stars.forEach(function (star, i) {
            var at = place(star), away = Math.hypot(at[0] - x, at[1] - y);
            if (away < least) {
                nearest = i;
                least = away;
            }
        });
        if (nearest >= 0 && first >= 0 && nearest !== first) {
            lines[here].toggle(first, nearest);
            keep();
            first = -1;
        } else {
            first = nearest === first ? -1 : nearest;
        }
        draw();
    }

    function turn(step) {
        here = (here + step + SKIES.length) % SKIES.length;
        first = -1;
        draw();
    }

    function fit() {
        canvas.width = canvas.clientWidth;
        canvas.height = canvas.clientHeight;
        draw();
    }

    canvas.addEventListener("mousedown", touch);
    document.getElementById("previous").addEventListener("click", function () { turn(-1); });
    document.getElementById("next").addEventListener("click", function () { turn(1); });
    document.getElementById("clear").textContent = say.clear;
    document.getElementById("clear").addEventListener("click", function () {
        lines[here] = new Lines(SKIES[here], []);
        first = -1;
        keep();
        draw();
    });
    window.addEventListener("resize", fit);
    fit();
}());
