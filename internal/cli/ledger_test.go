package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A long run says now and then how far it is.
func TestProgress(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var out strings.Builder
	tell := progress(&out, "orders", func() time.Time { return now })
	for done := int64(500); done <= 4000; done += 500 {
		now = now.Add(700 * time.Millisecond)
		tell(done, 4000)
	}
	require.Equal(t, "1500 of 4000 orders\n3000 of 4000 orders\n", out.String())
}
