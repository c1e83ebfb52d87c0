package bip39

import "strings"

// prefix letters identify a word of the list uniquely (BIP-39, "Wordlist").
const prefix = 4

// suggest returns the word that was probably meant, or "" when none is near.
func suggest(typed string) string {
	if len(typed) > 16 {
		return ""
	}
	best, distance := "", 3
	for _, w := range words() {
		d := edits(typed, w)
		if len(typed) >= prefix && strings.HasPrefix(w, typed[:prefix]) {
			d = min(d, 1)
		}
		switch {
		case d < distance:
			best, distance = w, d
		case d == distance && d == 2:
			best = "" // several words at two edits: a guess would mislead
		}
	}
	return best
}

// edits counts insertions, deletions, replacements and swaps of neighbours
// (optimal string alignment).
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
