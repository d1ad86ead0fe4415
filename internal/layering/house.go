package layering

// core is the pure middle: what the business speaks of. Everything from the
// store up may import it.
const core = "internal/ident order ledger merchant payment tasks"

// outside is where other modules end: each is a detail of the folders named.
func outside() []fence {
	const tests = "db/dbtest order/ordertest payment/paymenttest producer/producertest"
	return []fence{
		// Rows are not orders: bun and the driver stay in the store.
		{"github.com/uptrace/bun", "db db/dbtest"},
		{"github.com/pressly/goose/v3", "db"},
		{"github.com/jackc/pgx/v5", "db db/dbtest internal/embedded internal/app internal/bench internal/cli"},
		// The queue is a detail of those who fill it, empty it and watch it.
		{"github.com/hibiken/asynq", "producer/relay workers monitor internal/app internal/cli"},
		{"github.com/hibiken/asynqmon", "monitor"},
		// Settings and command lines end where the program is put together.
		{"github.com/spf13", "config internal/cli " + root},
		{"github.com/knadh/koanf", "config"},
		// Nothing that only development needs is linked by accident.
		{"github.com/fergusstrange/embedded-postgres", "internal/embedded"},
		{"github.com/alicebob/miniredis/v2", "internal/embedded"},
		// What is made for tests stays in tests.
		{"testing", tests},
		{"github.com/stretchr/testify", tests},
		{"github.com/google/go-cmp", tests},
		{"pgregory.net/rapid", tests},
		{"go.uber.org/goleak", tests},
		{"github.com/rogpeppe/go-internal", tests},
		{"github.com/VictoriaMetrics/metricsql", tests},
		{"github.com/chromedp", tests},
		{"github.com/compose-spec/compose-go/v2", tests},
		{"github.com/santhosh-tekuri/jsonschema/v6", tests},
	}
}

// world is what pure code has no use for.
const world = "context database/sql log net net/http os os/exec go.uber.org/zap"

// house is the law of this module. Imports only point down.
func house() law {
	return law{
		tests: "db/dbtest order/ordertest payment/paymenttest producer/producertest payment/simulator internal/embedded",
		only:  outside(),
		pure:  map[string]string{"order": world, "ledger": world, "tasks": world, "internal/ident": world, "internal/once": world, "internal/seal": world},
		floors: [][]room{
			{ // words and values
				{"internal/ident", ""},
				{"internal/once", ""},
				{"internal/seal", ""},
				{"db/migrations", ""},
				{"producer/api", ""}, // upstream apps import it: nothing of ours comes with it
				{"internal/embedded", ""},
				{"internal/pace", ""},
				{"internal/layering", ""},
			},
			{ // what an order is
				{"order", "internal/ident"},
				{"config", "internal/seal"},
			},
			{ // what follows from it, and who has to do with it
				{"internal/packaging", "config"},
				{"ledger", "internal/ident order"},
				{"merchant", "internal/ident order"},
				{"payment", "internal/ident order"},
				{"internal/access", "internal/ident order"},
				{"order/ordertest", "internal/ident order"},
			},
			{ // the contract between those who owe work and those who do it
				{"tasks", "internal/ident order merchant payment"},
			},
			{ // the store, the channels, and who tells whoever is on duty
				{"db", core + " internal/access internal/once internal/seal db/migrations"},
				{"internal/alert", core},
				{"payment/sandbox", "internal/ident order payment"},
				{"payment/stripe", "internal/ident order payment"},
				{"payment/alipay", "internal/ident order payment"},
				{"payment/wechatpay", "internal/ident order payment"},
			},
			{ // the channels' other side, and what tests stand on
				{"payment/simulator", "internal/ident order payment payment/sandbox payment/stripe payment/alipay payment/wechatpay"},
				{"payment/paymenttest", "internal/ident order payment"},
				{"db/dbtest", core + " db db/migrations internal/embedded internal/seal"},
			},
			{ // the hand-over to Redis
				{"producer/relay", core},
				{"producer/intake", ""},
			},
			{ // the door, the work and the watch: neither knows the others, nor the store
				{"producer", core + " internal/access internal/once internal/seal producer/api"},
				{"workers", core + " internal/once"},
				{"monitor", core + " internal/access internal/once"},
			},
			{ // those who live next door: they come through the door like everybody
				{"internal/faults", core},
				{"producer/producertest", "producer producer/api"},
				{"internal/demo", core + " producer/api payment/simulator"},
				{"internal/loadgen", core + " producer/api payment/simulator internal/pace"},
				{"internal/bench", core + " db producer/api payment/sandbox payment/simulator internal/access internal/once internal/embedded internal/pace internal/seal"},
				{"internal/simulation", ""}, // tests alone
			},
			{ // where all are introduced to each other
				{"internal/app", core + " config db producer producer/api producer/relay producer/intake workers monitor payment/sandbox payment/stripe payment/alipay payment/wechatpay payment/simulator " +
					"internal/access internal/once internal/embedded internal/seal internal/alert internal/faults internal/demo internal/loadgen"},
			},
			{ // commands
				{"internal/cli", core + " config db producer producer/api internal/access internal/app internal/bench internal/demo internal/embedded internal/loadgen internal/seal"},
			},
			{
				{root, "internal/cli"},
			},
		},
	}
}
