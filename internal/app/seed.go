package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/db"
	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// What a development server comes with. The keys are known to everyone: it
// listens on loopback alone.
const (
	devMerchant       = "m_demo"
	devSlowMerchant   = "m_demo_slow" // has seconds where the other has days
	devSKU            = "TEA-1"
	devAppKey         = "dev_app_key"
	devMerchantKey    = "dev_merchant_key"
	devSlowKey        = "dev_slow_key"
	devOperatorKey    = "dev_operator_key"
	devEndpointSecret = "whsec_ZGV2ZWxvcG1lbnQtc2VjcmV0LW9mLW0tZGVtbyEh" //nolint:gosec // for loopback only
	devEndpointID     = "01970000-0000-7000-8000-00000000de00"
	devSlowEndpointID = "01970000-0000-7000-8000-00000000de01"
	devStock          = 1_000_000_000 // years of --traffic
	devActor          = order.Actor("dev")
)

// devMerchants are the demo merchants. What the second does not do in time is
// called off, or goes back, within half a minute.
func devMerchants() []merchant.Merchant {
	return []merchant.Merchant{
		{ID: devMerchant, Name: "Demo Merchant", FeeBps: 60},
		{ID: devSlowMerchant, Name: "Slow Demo Merchant", FeeBps: 60, DeliverWithin: 10 * time.Second, RevokeWithin: 5 * time.Second},
	}
}

// seed brings the schema up and makes the demo merchants with their keys, stock
// and endpoints, as far as they are not there.
func seed(ctx context.Context, cfg config.Config) error {
	d, err := OpenDB(ctx, cfg, 2)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Migrate(ctx); err != nil {
		return err
	}
	if err := onlyOurs(ctx, d); err != nil {
		return err
	}
	for _, m := range devMerchants() {
		if err := seedMerchant(ctx, d, m); err != nil {
			return err
		}
	}
	if err := seedKeys(ctx, d); err != nil {
		return err
	}
	if err := seedEndpoint(ctx, d, cfg.BaseURL()+"/demo/merchant/notices"); err != nil {
		return err
	}
	return putEndpoint(ctx, d, devSlowMerchant, devSlowEndpointID, cfg.BaseURL()+"/demo/slow/notices")
}

func seedMerchant(ctx context.Context, d *db.DB, m merchant.Merchant) error {
	if _, err := d.PutMerchant(ctx, m); err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	_, err := d.Stock(ctx, m.ID, devSKU)
	if errors.Is(err, order.ErrNotFound) {
		_, err = d.SetStock(ctx, m.ID, devSKU, devStock, devActor)
	}
	if err != nil {
		return fmt.Errorf("seed stock of %s: %w", m.ID, err)
	}
	return nil
}

func seedKeys(ctx context.Context, d *db.DB) error {
	for _, k := range []struct {
		key, name, merchant string
		role                access.Role
	}{
		{devAppKey, "dev_app", "", access.App},
		{devMerchantKey, "dev_merchant", devMerchant, access.Merchant},
		{devSlowKey, "dev_slow", devSlowMerchant, access.Merchant},
		{devOperatorKey, "dev_operator", "", access.Operator},
	} {
		err := d.PutKey(ctx, access.Hash(k.key), k.name, k.role, k.merchant)
		if errors.Is(err, order.ErrNotAllowed) {
			continue // somebody revoked it here: that stands
		}
		if err != nil {
			return fmt.Errorf("seed key %s: %w", k.name, err)
		}
	}
	return nil
}

// onlyOurs refuses a database that serves others: keys that everybody knows
// have no place in it.
func onlyOurs(ctx context.Context, d *db.DB) error {
	list, err := d.Merchants(ctx)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	if len(list) > 0 && !slices.ContainsFunc(list, func(m merchant.Merchant) bool { return m.ID == devMerchant }) {
		return fmt.Errorf("DATABASE_URL names a database with merchants of its own (%s …): dev would put its demo merchant and well-known keys there. Unset DATABASE_URL, or name an empty database", list[0].ID)
	}
	return nil
}

// seedEndpoint makes the demo merchant's endpoint, anew when the port changed.
func seedEndpoint(ctx context.Context, d *db.DB, url string) error {
	return putEndpoint(ctx, d, devMerchant, devEndpointID, url)
}

func putEndpoint(ctx context.Context, d *db.DB, merchantID, endpointID, url string) error {
	id, err := ident.Parse[merchant.Endpoint](endpointID)
	if err != nil {
		return err
	}
	list, err := d.Endpoints(ctx, merchantID)
	if err != nil {
		return fmt.Errorf("seed endpoint of %s: %w", merchantID, err)
	}
	if i := slices.IndexFunc(list, func(e merchant.Endpoint) bool { return e.ID == id }); i >= 0 {
		if list[i].URL == url {
			return nil
		}
		if err := d.DeleteEndpoint(ctx, merchantID, id, now()); err != nil {
			return fmt.Errorf("seed endpoint of %s: %w", merchantID, err)
		}
	}
	e := merchant.Endpoint{ID: id, MerchantID: merchantID, URL: url, Secrets: []string{devEndpointSecret}}
	if err := d.CreateEndpoint(ctx, e); err != nil {
		return fmt.Errorf("seed endpoint of %s: %w", merchantID, err)
	}
	return nil
}
