package catalogtest

import (
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/sugarlabs/beamrider/remora"
)

// localeList begins with the default locale and what most activities are translated to first.
var localeList = []string{
	"en", "es", "fr",
	"af", "am", "ar", "ay", "az", "bg", "bi", "bn", "bn-IN", "bs", "ca", "cpp", "cs", "da", "de", "dz", "el",
	"en-GB", "en-US", "eo", "es-PE", "et", "eu", "fa", "fa-AF", "ff", "fi", "fil", "fr-CA", "gu", "ha", "he", "hi",
	"ht", "hu", "hus", "hy", "id", "ig", "is", "it", "ja", "km", "kn", "ko", "kos", "ku", "lt", "lv", "mg", "mi",
	"mk", "ml", "mn", "mr", "ms", "mvo", "na", "nb", "ne", "nl", "nn", "pa", "pap", "pis", "pl", "ps", "pt", "pt-BR",
	"qu", "ro", "ru", "rw", "si", "sk", "sl", "zh-Hans",
}

// scripts has the syllables that words are made of; which letters they are matters to whoever
// folds, cuts or counts them.
var scripts = map[string][]string{
	"latin":      strings.Fields("ka lo mi tu ra se no pi da ve bo li ga ter mon cha sol nia ñu ção él ür gra plo sta"),
	"cyrillic":   strings.Fields("ка ло ми ту ра се но пи да ве бо ли га тер мон ча сол ния"),
	"arabic":     strings.Fields("كا لو مي تو را سي نو بي دا في بو لي غا تر من شا سل"),
	"devanagari": strings.Fields("का लो मि तु रा से नो पी दा वे बो ली गा तर मन चा सल"),
	"han":        strings.Fields("学 习 游 戏 音 乐 数 字 画 图 地 球 语 言 书 写 计 算 机 器 孩 子 活 动"),
}

var scriptOf = map[string]string{
	"bg": "cyrillic", "mk": "cyrillic", "mn": "cyrillic", "ru": "cyrillic",
	"ar": "arabic", "fa": "arabic", "fa-AF": "arabic", "ps": "arabic",
	"hi": "devanagari", "mr": "devanagari", "ne": "devanagari", "kos": "devanagari",
	"ja": "han", "zh-Hans": "han",
}

// wordCount is the size of each vocabulary. Two thirds of all words come from its first tenth.
const wordCount = 4000

var vocabulary = func() map[string][]string {
	all := map[string][]string{}
	for script, syllables := range scripts {
		r := rand.New(rand.NewPCG(uint64(len(script)), 7))
		words := make([]string, wordCount)
		for i := range words {
			var b strings.Builder
			for range 2 + r.IntN(3) {
				b.WriteString(syllables[r.IntN(len(syllables))])
			}
			words[i] = b.String()
		}
		all[script] = words
	}
	return all
}()

// latin holds only what may stand in a bundle id.
var latin = func() []string {
	var words []string
	for _, w := range vocabulary["latin"] {
		if !strings.ContainsFunc(w, func(r rune) bool { return r > 'z' }) {
			words = append(words, w)
		}
	}
	return words
}()

func wordsOf(locale string) []string {
	if script, ok := scriptOf[locale]; ok {
		return vocabulary[script]
	}
	return vocabulary["latin"]
}

func pick(r *rand.Rand, words []string) string {
	if r.IntN(3) > 0 {
		return words[r.IntN(len(words)/10)]
	}
	return words[r.IntN(len(words))]
}

func sentence(r *rand.Rand, words []string, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(pick(r, words))
	}
	return b.String()
}

func sortText(t remora.Text) {
	slices.SortFunc(t, func(a, b remora.Localized) int { return strings.Compare(a.Locale, b.Locale) })
}
