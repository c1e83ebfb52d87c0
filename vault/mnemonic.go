package vault

// A Mnemonic holds recovery words. It prints and encodes as "[REDACTED]";
// Reveal is the one way to the text. It is not safe for concurrent use.
type Mnemonic struct {
	redaction
	phrase *sensitive
}

func newMnemonic(phrase []byte) *Mnemonic { return &Mnemonic{phrase: keep(phrase)} }

// Reveal returns the words with one space between them. Go strings cannot be
// wiped: print it and let it go. After Destroy it is empty.
func (m *Mnemonic) Reveal() string {
	if m.phrase == nil {
		return ""
	}
	return string(m.phrase.b)
}

// Destroy overwrites the words.
func (m *Mnemonic) Destroy() { m.phrase.wipe() }
