package db

import (
	"database/sql"
	"errors"

	"github.com/orderflow/orderflow/order"
)

// listMost bounds lists that are read whole: merchants, keys.
const listMost = 1000

// page is the size of a page when wanted is asked for.
func page(wanted int) int64 {
	const usual, most = 50, 200
	if wanted <= 0 {
		return usual
	}
	return int64(min(wanted, most))
}

// found turns the absence of a row into order.ErrNotFound.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return order.ErrNotFound
	}
	return err
}

// touched is order.ErrNotFound when a statement met no row.
func touched(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return order.ErrNotFound
}
