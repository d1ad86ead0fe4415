package app

import (
	"context"
	"fmt"

	"github.com/orderflow/orderflow/config"
	"github.com/orderflow/orderflow/internal/alert"
	"github.com/orderflow/orderflow/monitor"
	"github.com/orderflow/orderflow/tasks"
)

// openAlerts makes what tells whoever is on duty: the log and, when the
// settings name a gateway, an SMS.
func (a *App) openAlerts() (countedAlerts, error) {
	to := alert.Senders{alert.Log{To: a.log.Named("alert")}}
	if a.cfg.Alert.SMS.URL != "" {
		sms, err := openSMS(a.cfg.Alert.SMS)
		if err != nil {
			return countedAlerts{}, err
		}
		a.onStop("sms", sms.Close)
		to = append(to, sms)
	}
	return countedAlerts{to, a.metrics}, nil
}

func openSMS(c config.SMS) (*alert.SMS, error) {
	sms, err := alert.NewSMS(alert.Gateway{URL: c.URL, To: c.To, Template: c.Template, ContentType: c.ContentType, Secret: c.Secret})
	if err != nil {
		return nil, fmt.Errorf("alert.sms: %w", err)
	}
	return sms, nil
}

// countedAlerts counts what is sent.
type countedAlerts struct {
	alert.Senders
	metrics *monitor.Metrics
}

// Send implements workers.Alerter.
func (c countedAlerts) Send(ctx context.Context, id string, a tasks.Alert) error {
	err := c.Senders.Send(ctx, id, a)
	if err == nil {
		c.metrics.AlertSent(a.Name)
	}
	return err
}
