package call_test

import (
	"reflect"
	"testing"

	"github.com/alkdev/alknet/call"
	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

func TestMemoryOwnership(t *testing.T) {
	var m call.MemoryOwnership
	alice, bob := somebody(t, "alice"), somebody(t, "bob")
	token := core.Identity{Name: "alice", Kind: auth.KindToken}
	operation := core.Identity{Name: "alice", Kind: auth.KindOperation}
	if m.Record(core.Identity{}, "job", "1") {
		t.Error("nobody owns")
	}
	for _, job := range []string{"1", "1", "2"} {
		if !m.Record(alice, "job", job) {
			t.Error("not recorded")
		}
	}
	if m.Record(bob, "job", "1") {
		t.Error("an owner is replaced")
	}
	for _, id := range []core.Identity{bob, token, operation, {}} {
		if m.Owns(id, "job", "1", "stop") || m.OwnsAny(id, "job") || m.Owned(id, "job") != nil {
			t.Errorf("%v owns", id)
		}
	}
	if !m.Owns(alice, "job", "1", "stop") || m.Owns(alice, "box", "1", "stop") || m.OwnsAny(alice, "box") {
		t.Error("alice owns her job and nothing else")
	}
	if got := m.Owned(alice, "job"); !reflect.DeepEqual(got, []string{"1", "2"}) {
		t.Errorf("owned: %v", got)
	}
	m.Revoke("job", "1")
	m.Revoke("job", "1")
	if m.Owns(alice, "job", "1", "stop") || !m.OwnsAny(alice, "job") {
		t.Error("revoked the wrong one")
	}
	m.Revoke("job", "2")
	if m.OwnsAny(alice, "job") || !m.Record(bob, "job", "1") {
		t.Error("not revoked")
	}
}
