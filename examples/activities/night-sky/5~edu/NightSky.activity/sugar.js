// SPDX-License-Identifier: Apache-2.0
// Talks to the Sugar shell: asks for the owner's colours, and closes when told to stop.
// Without Sugar (in a browser) it does nothing.
"use strict";

window.sugar = window.sugar || {};

window.sugar.connect = function (onColours) {
    var environment = window.sugar.environment;
    var socket = new WebSocket("ws://localhost:" + environment.apiSocketPort);
    var asked = 0;

    function send(method, params) {
        asked += 1;
        socket.send(JSON.stringify({
            jsonrpc: "2.0", id: asked, method: method, params: params
        }));
        return asked;
    }

    var colours;
    socket.onopen = function () {
        send("authenticate", [environment.activityId, environment.apiSocketKey]);
        colours = send("activity.get_xo_color", []);
    };
    socket.onmessage = function (event) {
        var answer = JSON.parse(event.data);
        if (answer.method === "activity.stop") {
            send("activity.close", []);
        } else if (answer.id === colours && answer.result) {
            onColours(answer.result[0][0], answer.result[0][1]);
        }
    };
    window.sugar.stop = function () {
        send("activity.close", []);
    };
};

// The shell sets the environment after the page has loaded, and calls this.
window.sugar.onEnvironmentSet = function () {
    var stop = document.getElementById("stop");
    window.sugar.connect(function (stroke, fill) {
        document.documentElement.style.setProperty("--stroke", stroke);
        document.documentElement.style.setProperty("--fill", fill);
    });
    stop.hidden = false;
    stop.addEventListener("click", function () { window.sugar.stop(); });
};
