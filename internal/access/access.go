// Package access says who is calling and what they may do.
//
// A caller shows a key. A key belongs to one Principal, who has one role: an
// upstream app, a merchant, or an operator. The Guard finds the principal of a
// request; what a principal may do is asked of the Principal itself. A key is
// shown to its owner once, when it is made: only its SHA-256 is kept, and
// neither a log nor an answer ever repeats a key.
package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/orderflow/orderflow/order"
)

// Role is what a key's owner is to us. The strings are stored and shown.
type Role string

// The roles.
const (
	App      Role = "app"      // an upstream app: makes and pays orders, for any merchant
	Merchant Role = "merchant" // sees and serves its own orders only
	Operator Role = "operator" // runs Orderflow
)

// Roles lists every Role.
func Roles() []Role { return []Role{App, Merchant, Operator} }

// ParseRole reads a role as operators type it.
func ParseRole(s string) (Role, error) {
	if !slices.Contains(Roles(), Role(s)) {
		return "", fmt.Errorf("unknown role %q: want app, merchant or operator", s)
	}
	return Role(s), nil
}

// Principal is who a key belongs to. The zero Principal is nobody: it may do
// nothing and sees nothing.
type Principal struct {
	Name       string // of the key: "checkout", "alice"
	Role       Role
	MerchantID string // set for a merchant, and only then
}

// May says whether p has one of these roles. Without roles nobody may.
func (p Principal) May(roles ...Role) bool {
	return p.Role != "" && slices.Contains(roles, p.Role)
}

// Sees says whether p may look at what belongs to this merchant.
func (p Principal) Sees(merchantID string) bool {
	switch p.Role {
	case App, Operator:
		return true
	case Merchant:
		return p.MerchantID != "" && p.MerchantID == merchantID
	}
	return false
}

// Actor is p in an order's timeline: "app:checkout", "operator:alice", and
// "merchant:m_demo", because whichever key a merchant used, the merchant acted.
func (p Principal) Actor() order.Actor {
	name := p.Name
	if p.Role == Merchant {
		name = p.MerchantID
	}
	return order.Actor(string(p.Role) + ":" + name)
}

// Key is what is known of a key once its owner has it.
type Key struct {
	Principal
	CreatedAt time.Time
	RevokedAt time.Time // zero while it opens doors
}

type contextKey struct{}

// NewContext is ctx with the principal of its request.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext is the principal of ctx's request; false when nobody was asked.
func FromContext(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}
