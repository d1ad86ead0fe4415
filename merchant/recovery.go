package merchant

import "github.com/orderflow/orderflow/internal/ident"

// RecoveryID identifies a recovery.
type RecoveryID = ident.Of[Recovery]

// Recovery is the telling once more of what an endpoint should have heard in a time.
type Recovery struct{}
