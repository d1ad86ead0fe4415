package producer

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/orderflow/orderflow/internal/access"
)

// route is one call: what it is named, and who may make it.
type route struct {
	method string
	path   string
	id     string // operation id: "create-order"
	// roles may make the call. Empty: anybody may knock, and the handler itself
	// finds out who it is.
	roles   []access.Role
	success int
	summary string
	add     func(*server, route)
}

// begins says that the call begins new work, which can wait until there is room
// for it. Everything else goes on with what was begun.
func (r route) begins() bool { return r.id == "create-order" }

// String is how logs and metrics name it.
func (r route) String() string { return r.method + " " + r.path }

const (
	post = http.MethodPost
	get  = http.MethodGet
	put  = http.MethodPut
	del  = http.MethodDelete
)

// routes lists every call of the API. A merchant's key reaches what is its own
// and nothing else: see call.sees.
func routes() []route {
	var (
		app      = []access.Role{access.App}
		buying   = []access.Role{access.App, access.Operator}
		selling  = []access.Role{access.Merchant, access.Operator}
		anyone   = access.Roles()
		operator = []access.Role{access.Operator}
		channel  []access.Role // no key: the channel's signature decides
	)
	return []route{
		{post, "/v1/orders", "create-order", app, 201, "Make an order", on((*server).createOrder)},
		{get, "/v1/orders", "list-orders", anyone, 200, "List orders, newest first", on((*server).listOrders)},
		{get, "/v1/orders/{id}", "get-order", anyone, 200, "Show an order", on((*server).getOrder)},
		{get, "/v1/orders/{id}/events", "list-events", anyone, 200, "Show an order's timeline", on((*server).listEvents)},
		{post, "/v1/orders/{id}/payments", "create-payment", app, 201, "Open a payment", on((*server).createPayment)},
		{post, "/v1/orders/{id}/cancel", "cancel-order", buying, 202, "Call an order off; of a paid one, ask the merchant to stop the delivery", on((*server).cancelOrder)},
		{post, "/v1/orders/{id}/delivery", "report-delivery", selling, 200, "Report a delivery", on((*server).reportDelivery)},
		{post, "/v1/orders/{id}/complete", "complete-order", app, 200, "The buyer confirms the delivery", on((*server).completeOrder)},
		{post, "/v1/orders/{id}/refunds", "create-refund", buying, 202, "Give money of a delivered order back", on((*server).createRefund)},
		{get, "/v1/refunds/{id}", "get-refund", anyone, 200, "Show a refund", on((*server).getRefund)},

		{post, "/v1/orders/{id}/payments/{payment}/accept", "accept-payment", operator, 200, "Take a payment of the wrong sum for the order after all", on((*server).acceptPayment)},
		{post, "/v1/orders/{id}/payments/{payment}/return", "return-payment", operator, 200, "Give a payment of the wrong sum back now", on((*server).returnPayment)},
		{post, "/v1/orders/{id}/conflict", "resolve-conflict", operator, 200, "Decide a delivery that was reported after the refund began", on((*server).resolveConflict)},
		{post, "/v1/refunds/{id}/retry", "retry-refund", operator, 200, "Ask the channel for an abnormal refund once more", on((*server).retryRefund)},
		{post, "/v1/refunds/{id}/paid-out", "pay-out-refund", operator, 200, "Note that an abnormal refund was paid out past the channel", on((*server).payOutRefund)},
		{post, "/v1/refunds/{id}/cancel", "cancel-refund", operator, 200, "Call a refund back that no channel was asked for", on((*server).cancelRefund)},

		{post, "/v1/channels/{channel}/callbacks", "channel-callback", channel, 200, "A payment channel's news", (*server).addCallbacks},

		{put, "/v1/merchants/{id}", "put-merchant", operator, 200, "Make or change a merchant", on((*server).putMerchant)},
		{put, "/v1/merchants/{id}/stock/{sku}", "set-stock", selling, 200, "Set what there is of a SKU", on((*server).setStock)},
		{get, "/v1/merchants/{id}/stock/{sku}", "get-stock", selling, 200, "Show a SKU's stock", on((*server).getStock)},
		{post, "/v1/merchants/{id}/endpoints", "create-endpoint", selling, 201, "Make an endpoint for notices", on((*server).createEndpoint)},
		{get, "/v1/merchants/{id}/endpoints", "list-endpoints", selling, 200, "List endpoints", on((*server).listEndpoints)},
		{put, "/v1/merchants/{id}/endpoints/{endpoint}", "change-endpoint", selling, 200, "Change where an endpoint is, what it is told and how", on((*server).changeEndpoint)},
		{post, "/v1/merchants/{id}/endpoints/{endpoint}/rotate", "rotate-endpoint", selling, 200, "Give an endpoint a new secret", on((*server).rotateEndpoint)},
		{post, "/v1/merchants/{id}/endpoints/{endpoint}/pause", "pause-endpoint", selling, 200, "Stop sending notices to an endpoint", on((*server).pauseEndpoint)},
		{post, "/v1/merchants/{id}/endpoints/{endpoint}/resume", "resume-endpoint", selling, 200, "Send notices to an endpoint again", on((*server).resumeEndpoint)},
		{post, "/v1/merchants/{id}/endpoints/{endpoint}/test", "test-endpoint", selling, 200, "Send an endpoint a test now, and see what it makes of it", on((*server).testEndpoint)},
		{get, "/v1/merchants/{id}/endpoints/{endpoint}/undelivered", "list-undelivered", selling, 200, "Fetch what an endpoint has yet to acknowledge, oldest first", on((*server).listUndelivered)},
		{post, "/v1/merchants/{id}/endpoints/{endpoint}/undelivered/ack", "ack-undelivered", selling, 200, "Acknowledge notices that were fetched", on((*server).ackUndelivered)},
		{post, "/v1/merchants/{id}/endpoints/{endpoint}/recover", "recover-endpoint", selling, 202, "Tell an endpoint once more what it should have heard in some time", on((*server).recoverEndpoint)},
		{del, "/v1/merchants/{id}/endpoints/{endpoint}", "delete-endpoint", selling, 204, "Take an endpoint away", on((*server).deleteEndpoint)},

		{get, "/v1/merchants/{id}/notices", "list-notices", selling, 200, "List what a merchant is told, newest first", on((*server).listNotices)},
		{get, "/v1/notices/{notice}", "get-notice", selling, 200, "Show a notice, and how it stands at each endpoint", on((*server).getNotice)},
		{post, "/v1/notices/{notice}/resend", "resend-notice", selling, 202, "Tell a notice once more, taken or not", on((*server).resendNotice)},
		{get, "/v1/notices/{notice}/attempts", "list-attempts", selling, 200, "Show the tries of a notice, newest first", on((*server).listAttempts)},

		{get, "/v1/merchants/{id}/recoveries", "list-recoveries", selling, 200, "List recoveries, newest first", on((*server).listRecoveries)},
		{get, "/v1/recoveries/{recovery}", "get-recovery", selling, 200, "Show how far a recovery is", on((*server).getRecovery)},
		{post, "/v1/recoveries/{recovery}/cancel", "cancel-recovery", selling, 200, "End a recovery: what waits only because of it is told no more", on((*server).cancelRecovery)},

		{get, "/v1/event-types", "list-event-types", anyone, 200, "List what endpoints can be told", on((*server).listEventTypes)},
		{get, "/v1/event-types/{type}", "get-event-type", anyone, 200, "Show a type of notice, with its schema", on((*server).getEventType)},

		{get, "/v1/tasks", "list-tasks", operator, 200, "Show the work that is owed", on((*server).listTasks)},
		{post, "/v1/tasks/{kind}/{subject}/requeue", "requeue-task", operator, 204, "Try a task again now", on((*server).requeueTask)},
	}
}

// on adds a route whose handler speaks in shapes: its input is read and
// checked before it, its errors become problems after it.
func on[I, O any](handle func(*server, context.Context, *I) (*O, error)) func(*server, route) {
	return func(s *server, r route) {
		huma.Register(s.api, s.operation(r), func(ctx context.Context, in *I) (*O, error) {
			out, err := handle(s, ctx, in)
			if err != nil {
				return nil, callOf(ctx).problem(err)
			}
			return out, nil
		})
	}
}
