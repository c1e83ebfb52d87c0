package call

import (
	"slices"
	"sync"

	"github.com/alkdev/alknet/core"
	"github.com/alkdev/alknet/core/auth"
)

// Ownership knows who owns resources that operations create: containers,
// sessions, jobs. Where a [Server] has one, its answer alone decides about an
// operation's ResourceType; scopes named after the type are then not consulted,
// so an implementation that admits administrators looks at the identity's
// scopes itself. Implementations answer from memory and are safe for
// concurrent use. The identity is somebody and has not expired.
type Ownership interface {
	// Owns reports whether id may do action to one resource.
	Owns(id core.Identity, resourceType, resourceID, action string) bool
	// OwnsAny reports whether id owns some resource of the type. It decides
	// about operations whose input names none.
	OwnsAny(id core.Identity, resourceType string) bool
}

// MemoryOwnership is an [Ownership] in memory: a resource has one owner, who
// may do everything to it. The handler that creates a resource records it and
// revokes it when the resource is gone. The zero value is empty and ready; it
// is safe for concurrent use and must not be copied.
type MemoryOwnership struct {
	mu     sync.RWMutex
	owners map[resource]owner
	owned  map[ownerOf]map[string]struct{} // ids
}

type (
	resource struct{ typ, id string }
	owner    struct {
		kind auth.Kind
		name string
	}
	ownerOf struct {
		owner
		typ string
	}
)

// Record makes id the owner of a resource, and reports false if it has another
// owner, who keeps it, or if id is nobody.
func (m *MemoryOwnership) Record(id core.Identity, resourceType, resourceID string) bool {
	if id.IsZero() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	res, who := resource{resourceType, resourceID}, owner{id.Kind, id.Name}
	if has, taken := m.owners[res]; taken {
		return has == who
	}
	if m.owners == nil {
		m.owners, m.owned = map[resource]owner{}, map[ownerOf]map[string]struct{}{}
	}
	m.owners[res] = who
	of := ownerOf{who, resourceType}
	if m.owned[of] == nil {
		m.owned[of] = map[string]struct{}{}
	}
	m.owned[of][resourceID] = struct{}{}
	return true
}

// Revoke forgets a resource.
func (m *MemoryOwnership) Revoke(resourceType, resourceID string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	res := resource{resourceType, resourceID}
	who, known := m.owners[res]
	if !known {
		return
	}
	delete(m.owners, res)
	of := ownerOf{who, resourceType}
	if delete(m.owned[of], resourceID); len(m.owned[of]) == 0 {
		delete(m.owned, of)
	}
}

// Owns reports whether id is the owner, whatever the action.
func (m *MemoryOwnership) Owns(id core.Identity, resourceType, resourceID, _ string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	who, known := m.owners[resource{resourceType, resourceID}]
	return known && who == owner{id.Kind, id.Name}
}

// OwnsAny reports whether id owns some resource of the type.
func (m *MemoryOwnership) OwnsAny(id core.Identity, resourceType string) bool {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.owned[ownerOf{owner{id.Kind, id.Name}, resourceType}]) > 0
}

// Owned returns the ids of id's resources of the type, sorted, for operations
// that list them.
func (m *MemoryOwnership) Owned(id core.Identity, resourceType string) []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var ids []string
	for resourceID := range m.owned[ownerOf{owner{id.Kind, id.Name}, resourceType}] {
		ids = append(ids, resourceID)
	}
	slices.Sort(ids)
	return ids
}
