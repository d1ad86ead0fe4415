package api_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/orderflow/orderflow/producer/api"
)

// An upstream app makes an order and sends the buyer to pay it.
func ExampleClient() {
	orderflow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"id":"01939b1c-5f4a-7c3e-9a00-c0ffee00ab00","status":"pending_pay","amount":3998,"currency":"CNY",
			"payment":{"id":"01939b1c5f4a7c3e9a00c0ffee00ab01","status":"paying","action":{"type":"redirect","url":"https://pay.example/1"}}}`)
	}))
	defer orderflow.Close()

	client := api.New(orderflow.URL, "dev_app_key")
	o, err := client.CreateOrder(context.Background(), api.NewOrder{
		MerchantID: "m_demo", BuyerID: "b_17", Currency: "CNY", Channel: "sandbox",
		Items: []api.Item{{SKU: "TEA-100", Name: "Green tea, 100 g", Quantity: 2, UnitPrice: 1999}},
	}, api.IdempotencyKey("basket-4711"))

	var p *api.Problem
	switch {
	case errors.As(err, &p) && p.Type == api.OutOfStock:
		fmt.Println("sorry, only", *p.Available, "left of", p.SKU)
	case err != nil:
		fmt.Println("try again:", err)
	default:
		fmt.Println(o.Status, o.Amount, o.Currency)
		fmt.Println("send the buyer to", o.Payment.Action.URL)
	}
	// Output:
	// pending_pay 3998 CNY
	// send the buyer to https://pay.example/1
}
