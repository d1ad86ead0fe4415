package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// detachedTotal counts attempts that were taking too long and went on outside of
// the slots that others wait for.
const detachedTotal = "orderflow_notices_detached_total"

// scrape adds a process's counters to all, without their labels.
func scrape(ctx context.Context, url, key string, all sums) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: status %d", url, resp.StatusCode)
	}
	return addCounters(resp.Body, all)
}

// addCounters reads Prometheus's text format: a name, labels in braces if there
// are any, a blank, a number. A name that ends in _total is a counter's.
func addCounters(from io.Reader, all sums) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		line := lines.Text()
		name := line[:max(strings.IndexAny(line, "{ "), 0)]
		if !strings.HasSuffix(name, "_total") || strings.HasPrefix(line, "#") {
			continue
		}
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return fmt.Errorf("counter %q: %w", line, err)
		}
		all[name] += int64(n)
	}
	return lines.Err()
}
