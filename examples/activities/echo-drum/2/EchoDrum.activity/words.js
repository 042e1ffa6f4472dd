// SPDX-License-Identifier: MIT
"use strict";

// words returns the sentences of the activity in the reader's language, or in English.
function words(language) {
    var all = {
        en: { title: "Echo Drum", play: "A rhythm", free: "Play what you like.", listen: "Listen\u2026",
              echo: "Now you!", right: "Yes! One more beat.", wrong: "Nearly. Listen again.", drum: "Drum" },
        es: { title: "Tambor eco", play: "Un ritmo", free: "Toca lo que quieras.", listen: "Escucha\u2026",
              echo: "¡Ahora tú!", right: "¡Sí! Un golpe más.", wrong: "Casi. Escucha otra vez.", drum: "Tambor" },
        fr: { title: "Tambour écho", play: "Un rythme", free: "Joue ce que tu veux.", listen: "Écoute\u2026",
              echo: "À toi !", right: "Oui ! Un battement de plus.", wrong: "Presque. Écoute encore.", drum: "Tambour" },
        ja: { title: "こだまだいこ", play: "リズム", free: "すきなようにたたこう。", listen: "きいてね…",
              echo: "きみのばん！", right: "できた！ひとつふえるよ。", wrong: "おしい。もういちどきいてね。", drum: "たいこ" }
    };
    return all[(language || "en").slice(0, 2)] || all.en;
}
