package call

import "testing"

func TestWipeOverwritesTheBytes(t *testing.T) {
	held := []byte("key")
	s := sealed(held)
	if string(s.Reveal()) != "key" {
		t.Fatal("not revealed")
	}
	s.Wipe()
	if string(held) != "\x00\x00\x00" {
		t.Errorf("the memory holds %q", held)
	}
}
