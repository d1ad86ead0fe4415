package simulator_test

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/orderflow/orderflow/payment/simulator"
)

func TestTheJournalSurvivesARestart(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "new", "sandbox.jsonl")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, journal)
		w.sim.Start()
		w.shop.answer = func(int) int { return http.StatusServiceUnavailable }
		p := w.sell(t, "fault=refund_slow&delay=1h")
		r, err := w.refund(t, p, 234)
		require.NoError(t, err)
		closed, link := w.order(t)
		w.close(t, closed)
		first := w.shop.heard(5 * time.Second)
		require.Len(t, first, 3)
		before := w.sim.Payments()
		w.sim.Stop()

		w = newWorld(t, journal)
		defer func() { w.sim.Stop() }()
		require.Empty(t, cmp.Diff(before, w.sim.Payments()))
		status, _ := w.pay(t, link, "")
		require.Equal(t, http.StatusGone, status, "what was closed stays closed")
		w.sim.Start()
		rest := w.shop.heard(30 * time.Minute)
		require.Len(t, rest, 1, "the callback that was not taken")
		require.Equal(t, first[0].raw, rest[0].raw)
		require.Equal(t, []string{"payment", "refund"}, types(w.shop.heard(time.Hour)), "the refund that was on its way")
		require.EqualValues(t, "done", w.ask(t, p, r).State)
	})
}

func TestATornLastLineIsDropped(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "sandbox.jsonl")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, journal)
		w.sell(t, "fault=drop")
		before := w.sim.Payments()
		w.sim.Stop()
		whole, err := os.ReadFile(journal)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(journal, append(whole, whole[:len(whole)/4]...), 0o600))

		for range 2 { // what is written after a torn line can be read again
			w = newWorld(t, journal)
			require.Empty(t, cmp.Diff(before, w.sim.Payments()))
			w.sell(t, "fault=drop")
			before = w.sim.Payments()
			w.sim.Stop()
		}
	})
}

func TestTheJournalIsWrittenAnewWithoutOldLines(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "sandbox.jsonl")
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, journal)
		p := w.sell(t, "fault=drop")
		for range 10 {
			_, err := w.refund(t, p, 1)
			require.NoError(t, err)
		}
		w.sim.Stop()
		require.Equal(t, 12, lines(t, journal), "paid, told, ten refunds")
		newWorld(t, journal).sim.Stop()
		require.Equal(t, 1, lines(t, journal))
	})
}

func TestADamagedJournalIsNotGuessedAt(t *testing.T) {
	t.Parallel()
	journal := filepath.Join(t.TempDir(), "sandbox.jsonl")
	damaged := []byte("{\"out_trade_no\":\"1\"}\nnot JSON\n{}\n")
	require.NoError(t, os.WriteFile(journal, damaged, 0o600))
	_, err := simulator.New(simulator.Options{Secret: secret, BaseURL: "http://bank.test", Journal: journal})
	require.ErrorContains(t, err, "line 2")
	require.ErrorContains(t, err, "move the file away")
	kept, err := os.ReadFile(journal)
	require.NoError(t, err)
	require.Equal(t, damaged, kept)
}

func TestNothingIsPromisedAfterStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, filepath.Join(t.TempDir(), "sandbox.jsonl"))
		no, link := w.order(t)
		w.sim.Stop()
		status, answer := w.pay(t, link, "")
		require.Equal(t, http.StatusInternalServerError, status)
		require.Equal(t, "not_found", answer.Status)
		_, err := w.channel.Close(t.Context(), no)
		require.Error(t, err)
	})
}

func writeFile(t *testing.T, file, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
}

func lines(t *testing.T, file string) int {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	return bytes.Count(content, []byte("\n"))
}
