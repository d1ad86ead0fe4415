package embedded

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// openToTCP makes the server listen on a free port of loopback, too. Whoever
// comes that way, from any account of this machine, needs the password.
func (c *cluster) openToTCP() {
	c.port, c.password = fmt.Sprint(freePort()), rand.Text()
}

func (c *cluster) listens() string {
	if c.TCP {
		return "127.0.0.1"
	}
	return ""
}

// ensurePassword is asked over the socket, which trusts us.
func (c *cluster) ensurePassword(ctx context.Context, conn *pgx.Conn) error {
	if !c.TCP {
		return nil
	}
	_, err := conn.Exec(ctx, fmt.Sprintf("ALTER USER %s PASSWORD '%s'", pgUser, c.password)) // letters and digits
	return err
}

// publicURL is the one for others.
func (c *cluster) publicURL() string {
	if !c.TCP {
		return c.url(pgDatabase)
	}
	return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%s/%s?sslmode=disable", pgUser, c.password, c.port, pgDatabase)
}
