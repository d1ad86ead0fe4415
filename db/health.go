package db

import (
	"time"

	"github.com/orderflow/orderflow/merchant"
)

// healthModel is merchant.Health as it is in the row. What is zero is left out.
type healthModel struct {
	State        merchant.State  `json:"state,omitempty"`
	Since        time.Time       `json:"since,omitzero"`
	Window       merchant.Window `json:"window,omitempty"`
	Failures     int             `json:"failures,omitempty"`
	FailingSince time.Time       `json:"failing_since,omitzero"`
	Quick        int             `json:"quick,omitempty"`
	Probes       int             `json:"probes,omitempty"`
	ProbeAt      time.Time       `json:"probe_at,omitzero"`
	NotBefore    time.Time       `json:"not_before,omitzero"`
	GoneNotice   string          `json:"gone_notice,omitempty"`
	LastError    string          `json:"last_error,omitempty"`
}

// stateOf is the state in the column health, as SQL.
const stateOf = `coalesce(e.health->>'state', 'healthy')`
