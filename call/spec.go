package call

import (
	"encoding/json"
	"strings"
)

// ALPN is the protocol name that a [Server] serves and a [Client] is dialled
// with: docs/wire/call.md, section 1.
const ALPN = "alknet/call"

// A Type says how an operation answers.
type Type string

// The three types, as discovery writes them (docs/wire/call.md, section 7).
const (
	TypeQuery        Type = "query"        // one answer, changes nothing
	TypeMutation     Type = "mutation"     // one answer
	TypeSubscription Type = "subscription" // any number of answers until it ends
)

// A Visibility says who finds an operation.
type Visibility string

const (
	// External operations can be called from other nodes. It is the zero
	// value's meaning.
	External Visibility = "external"
	// Internal operations are for composition in this process. Towards
	// everybody else they do not exist.
	Internal Visibility = "internal"
)

// A Spec describes an operation to its callers.
type Spec struct {
	// Name is two or more components of letters, digits, '.', '_' and '-',
	// joined by '/': "math/add". The first is the namespace.
	Name        string
	Type        Type
	Visibility  Visibility // empty means External
	Description string     // one or two sentences for people and agents

	// Input and Output are JSON Schemas (Draft 2020-12) of the input and of
	// each answer. Nil accepts every JSON value. Both are enforced.
	Input, Output json.RawMessage
	// Errors are the codes that the operation fails with beside those of the
	// protocol. A handler's undeclared code reaches the caller as INTERNAL.
	Errors []ErrorSpec
	Access Access
	// ResourceIDPath is where the input names what is acted on, as "$.a.b"
	// or "$/a/b"; the value must be a string. Empty: the operation acts on
	// its resource type as a whole.
	ResourceIDPath string
}

// Namespace is the name's first component.
func (s *Spec) Namespace() string {
	ns, _, _ := strings.Cut(s.Name, "/")
	return ns
}

// An ErrorSpec declares an error of an operation.
type ErrorSpec struct {
	Code        string // upper-case by convention: "QUOTA_EXCEEDED"; none of the protocol's six
	Description string
	Schema      json.RawMessage // of Error.Details; nil accepts everything
	HTTPStatus  int             // for the web face; 0 means 500
}

// Access says who may call an operation. The zero value asks for the scope
// "call:" + the operation's name. If Scopes, AnyScope or ResourceType are set,
// they replace that, and all of them must hold.
type Access struct {
	// Public admits everybody, also callers who are nobody. Nothing else may
	// be set beside it.
	Public bool
	// Scopes must all be held: "area:verb", "area:verb:name" or "admin", as
	// package core/auth matches them.
	Scopes []string
	// AnyScope must be held in part: one is enough. Nil asks for nothing, an
	// empty slice that is not nil admits nobody.
	AnyScope []string
	// ResourceType and ResourceAction ask that the caller owns the resource
	// (see [Ownership]) or, where no Ownership is wired, holds the scope
	// "type:action" or "type:action:id". Both are set or neither.
	ResourceType, ResourceAction string
}

// A Provenance says where an operation's code runs.
type Provenance string

// The provenances. Only the first two compose: their handlers may invoke
// further operations under an [Authority].
const (
	Local          Provenance = "local"   // this program; also the zero value's meaning
	Session        Provenance = "session" // supplied for one session, always Internal
	FromCall       Provenance = "from_call"
	FromOpenAPI    Provenance = "from_openapi"
	FromMCP        Provenance = "from_mcp"
	FromJSONSchema Provenance = "from_jsonschema"
)
