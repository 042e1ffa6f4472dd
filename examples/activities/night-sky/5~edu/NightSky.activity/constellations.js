// SPDX-License-Identifier: Apache-2.0
"use strict";

// The skies of the activity. Stars are [across, down] in a square from 0 to 100, drawn as the eye
// sees them with north at the top; lines join two stars by their place in the row. The last sky
// is the child's own.
var SKIES = [
    {
        id: "plough",
        stars: [[6, 30], [24, 24], [38, 36], [52, 46], [58, 68], [88, 72], [90, 42]],
        lines: [[0, 1], [1, 2], [2, 3], [3, 4], [4, 5], [5, 6], [6, 3]],
        en: ["The Plough", "Go on from the last two stars, five times as far as they are apart, and you come to the Pole Star."],
        es: ["El Carro", "Sigue la línea de las dos últimas estrellas, cinco veces su distancia, y llegarás a la Estrella Polar."],
        fr: ["La Grande Casserole", "Prolonge cinq fois la ligne des deux dernières étoiles et tu arrives à l'étoile Polaire."]
    },
    {
        id: "orion",
        stars: [[30, 16], [66, 20], [58, 46], [50, 50], [42, 54], [36, 86], [72, 82]],
        lines: [[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [4, 5], [5, 6], [6, 2]],
        en: ["Orion", "The hunter has three stars for a belt. The one at his shoulder is red, and so large that it would swallow the Earth's path."],
        es: ["Orión", "El cazador lleva un cinturón de tres estrellas. La de su hombro es roja, y tan grande que se tragaría la órbita de la Tierra."],
        fr: ["Orion", "Le chasseur a une ceinture de trois étoiles. Celle de son épaule est rouge, et si grande qu'elle avalerait l'orbite de la Terre."]
    },
    {
        id: "cassiopeia",
        stars: [[10, 34], [30, 64], [48, 42], [70, 70], [90, 32]],
        lines: [[0, 1], [1, 2], [2, 3], [3, 4]],
        en: ["Cassiopeia", "A queen on her chair. Half the year she is a W, half the year an M."],
        es: ["Casiopea", "Una reina en su silla. Medio año es una W y medio año una M."],
        fr: ["Cassiopée", "Une reine sur sa chaise. La moitié de l'année c'est un W, l'autre moitié un M."]
    },
    {
        id: "cross",
        stars: [[52, 10], [46, 90], [18, 48], [74, 36]],
        lines: [[0, 1], [2, 3]],
        en: ["The Southern Cross", "The smallest constellation of all. Its long arm points to the south; sailors steered by it, and it is on five flags."],
        es: ["La Cruz del Sur", "La constelación más pequeña. Su brazo largo señala el sur; guio a los marinos y está en cinco banderas."],
        fr: ["La Croix du Sud", "La plus petite des constellations. Son grand bras montre le sud ; elle guidait les marins et figure sur cinq drapeaux."]
    },
    {
        id: "own",
        stars: [[8, 22], [22, 8], [24, 44], [12, 70], [30, 88], [38, 20], [42, 62], [50, 38],
                [56, 84], [62, 14], [66, 56], [76, 30], [80, 74], [90, 50], [92, 12], [94, 90]],
        lines: [],
        en: ["Your own sky", "What do you see in these stars?"],
        es: ["Tu propio cielo", "¿Qué ves en estas estrellas?"],
        fr: ["Ton ciel à toi", "Que vois-tu dans ces étoiles ?"]
    }
];

var WORDS = {
    en: { clear: "Clear", join: "Touch two stars to join them." },
    es: { clear: "Borrar", join: "Toca dos estrellas para unirlas." },
    fr: { clear: "Effacer", join: "Touche deux étoiles pour les relier." }
};
