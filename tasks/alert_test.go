package tasks_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/tasks"
)

func TestAnAlertIsOwedAtOnce(t *testing.T) {
	t.Parallel()
	a := tasks.Alert{Name: "payment_mismatch", Order: ident.New[order.Order](), Text: "1 CNY too much. Run: orderflow order show", At: noon}
	m := tasks.AlertOf("order 7/3", a)
	require.Equal(t, tasks.AlertSend, m.Kind)
	require.Equal(t, noon, m.Due)
	got, err := tasks.ReadAlert(m.Payload)
	require.NoError(t, err)
	require.Equal(t, a, got)

	a.Order = order.ID{}
	m = tasks.AlertOf("order 7/3", a)
	require.NotContains(t, string(m.Payload), "order\":", "an alert about no order names none")
	got, err = tasks.ReadAlert(m.Payload)
	require.NoError(t, err)
	require.Equal(t, a, got)
}

// One thing is one row, and two things are two.
func TestAnAlertsSubject(t *testing.T) {
	t.Parallel()
	of := func(about string, name tasks.AlertName) tasks.Subject {
		return tasks.AlertOf(about, tasks.Alert{Name: name, Text: "x", At: noon}).Subject
	}
	seen := map[tasks.Subject]bool{}
	for _, s := range []tasks.Subject{of("order 7/3", "a"), of("order 7/4", "a"), of("order 8/3", "a"), of("order 7/3", "b")} {
		require.False(t, seen[s])
		seen[s] = true
	}
	// Known, so that a release does not send again what the one before has sent.
	require.Equal(t, "d56b4235-fe10-8a1b-b26f-771ca0583d6f", of("order 7/3", "a").String())
}

func TestEveryAlertNameIsListed(t *testing.T) {
	t.Parallel()
	var listed []string
	for _, n := range tasks.AlertNames() {
		listed = append(listed, string(n))
	}
	require.ElementsMatch(t, constants(t, "alert.go", "AlertName"), listed)
}

func TestWhatIsNoAlert(t *testing.T) {
	t.Parallel()
	for name, payload := range map[string]string{
		"nothing":          "",
		"not JSON":         "\x00",
		"another shape":    `["name"]`,
		"no name":          `{"text":"x"}`,
		"no text":          `{"name":"x"}`,
		"an order of none": `{"name":"x","text":"x","order":"seven"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := tasks.ReadAlert([]byte(payload))
			require.ErrorContains(t, err, "payload is")
		})
	}
}

func TestDeath(t *testing.T) {
	t.Parallel()
	id := ident.New[order.Order]()
	r := tasks.Row{
		Key: tasks.About(tasks.DeliveryNotify, order.DeliveryID(id)), CreatedAt: noon.Add(-time.Hour), Generation: 13, Attempts: 14,
		LastError: "status: it answered\n502 Bad Gateway",
	}
	_, dead := tasks.Trouble(r, r.DeadAt)
	require.False(t, dead, "it is alive")

	r.DeadAt = noon
	m, dead := tasks.Trouble(r, r.DeadAt)
	require.True(t, dead)
	require.Equal(t, noon, m.Due)
	got, err := tasks.ReadAlert(m.Payload)
	require.NoError(t, err)
	subject := order.DeliveryID(id).String()
	require.Equal(t, tasks.Alert{
		Name: tasks.AlertTaskDead, Order: id, At: noon,
		Text: "Task delivery:notify of order " + id.String() + " is dead after try 14: status: it answered 502 Bad Gateway. " +
			"Mend the cause, then run: orderflow task requeue delivery:notify " + subject,
	}, got)

	again, _ := tasks.Trouble(r, r.DeadAt)
	require.Equal(t, m, again, "told twice, it is one alert")
	for what, change := range map[string]func(*tasks.Row){
		"requeued, and dead again": func(r *tasks.Row) { r.Generation++ },
		"done, and owed anew":      func(r *tasks.Row) { r.CreatedAt = noon },
		"another row":              func(r *tasks.Row) { r.Kind = tasks.OrderClose },
	} {
		other := r
		change(&other)
		next, dead := tasks.Trouble(other, other.DeadAt)
		require.True(t, dead)
		require.NotEqual(t, m.Key, next.Key, what)
	}

	r.Kind = tasks.AlertSend
	_, dead = tasks.Trouble(r, r.DeadAt)
	require.False(t, dead, "an alert that nobody took makes no other")
}

// What goes on for ever while money waits is heard of once, whatever comes after.
func TestATaskThatGoesOnFailingIsHeardOfOnce(t *testing.T) {
	t.Parallel()
	rings := map[tasks.Kind]int{}
	for _, spec := range tasks.Specs() {
		r := tasks.Row{Key: tasks.About(spec.Kind, ident.New[order.Order]()), CreatedAt: noon}
		for range 40 {
			next, owed := tasks.Later(errors.New("keys refused")).Next(r, noon)
			require.True(t, owed)
			if next.DeadAt.IsZero() {
				if m, heard := tasks.Trouble(next, noon); heard {
					rings[spec.Kind]++
					a, err := tasks.ReadAlert(m.Payload)
					require.NoError(t, err)
					require.Equal(t, tasks.AlertTaskStuck, a.Name)
					require.Contains(t, a.Text, fmt.Sprintf("is not done after try %d: keys refused", next.Attempts))
				}
			}
			r = next
			r.DeadAt = time.Time{}
		}
	}
	require.Equal(t, map[tasks.Kind]int{tasks.PaymentConfirm: 1, tasks.RefundSubmit: 1, tasks.MaintenanceRun: 1}, rings)
}

// Whatever killed a task, its alert is one plain line whose command is whole.
func TestAnAlertFitsOnALine(t *testing.T) {
	t.Parallel()
	r := tasks.Row{Key: tasks.About(tasks.DeliveryNotify, ident.New[order.Order]()), DeadAt: noon}
	rapid.Check(t, func(t *rapid.T) {
		r.LastError = rapid.String().Draw(t, "error") + rapid.SampledFrom([]string{"", "\x1b[2J\u202e", strings.Repeat("汉", 2000), "\xff\x00"}).Draw(t, "end")
		m, _ := tasks.Trouble(r, r.DeadAt)
		a, err := tasks.ReadAlert(m.Payload)
		if err != nil || !json.Valid(m.Payload) {
			t.Fatal(err)
		}
		if !strings.HasSuffix(a.Text, "orderflow task requeue delivery:notify "+r.Subject.String()) {
			t.Fatalf("the command is cut: %s", a.Text)
		}
		if n := utf8.RuneCountInString(a.Text); n > 500 || strings.ContainsFunc(a.Text, func(c rune) bool { return !unicode.IsPrint(c) }) {
			t.Fatalf("%d characters: %q", n, a.Text)
		}
	})
	long, err := tasks.ReadAlert(tasks.AlertOf("x", tasks.Alert{Name: "x", Text: strings.Repeat("汉", 501), At: noon}).Payload)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("汉", 499)+"…", long.Text)
}

func TestAnAlertShowsNoQueryOfAURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`Post "https://pay.example/v1?sign=hush": EOF`:  `Post "https://pay.example/v1": EOF`,
		"see HTTP://a.example#token=hush, then go on":   "see HTTP://a.example then go on",
		"https://a.example/x?k=hush https://b.example/": "https://a.example/x https://b.example/",
		"is it alive? no": "is it alive? no",
	} {
		got, err := tasks.ReadAlert(tasks.AlertOf("x", tasks.Alert{Name: "x", Text: in, At: noon}).Payload)
		require.NoError(t, err)
		require.Equal(t, want, got.Text)
	}
}
