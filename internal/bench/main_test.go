package bench

import (
	"testing"

	"github.com/orderflow/orderflow/db/dbtest"
)

func TestMain(m *testing.M) { dbtest.Main(m) }
