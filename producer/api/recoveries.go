package api

import "time"

// NewRecovery says what an endpoint is to be told once more.
type NewRecovery struct {
	Since time.Time `json:"since" doc:"Notices written then or later; at most 30 days ago."`
	Until time.Time `json:"until,omitzero" doc:"Notices written before; until now when left out, or in the future."`
	All   bool      `json:"all,omitempty" doc:"Also what the endpoint has acknowledged, or refused with 410, and what became pointless before anybody had heard of it: look at the order before you act. Otherwise only what it has not acknowledged. What it does not subscribe to is not told either way."`
}

// Recovery is the telling once more of what an endpoint should have heard in some
// time.
type Recovery struct {
	ID         string    `json:"id" format:"uuid"`
	MerchantID string    `json:"merchant_id"`
	EndpointID string    `json:"endpoint_id" format:"uuid"`
	State      string    `json:"state" enum:"running,done,cancelled" doc:"done: all of it was taken, or came to nothing. cancelled: by hand, or the endpoint was deleted."`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
	All        bool      `json:"all,omitempty"`
	Actor      string    `json:"actor,omitempty" example:"operator:alice" doc:"Who asked for it."`
	Reason     string    `json:"reason,omitempty" enum:"held,paused" doc:"Of one that runs and stands still: why. held: its endpoint is paused by hand, or was disabled; resume it, or cancel the recovery. paused: its endpoint fails, and is only probed."`
	Total      *int64    `json:"total,omitempty" doc:"The merchant's notices of that time, whatever becomes of them; absent when they are too many to be counted at once."`
	Checked    int64     `json:"checked" doc:"Of these, how many were looked at: how far it has got."`
	Queued     int64     `json:"queued" doc:"Of these, how many were to be told, and were put into the endpoint's backlog."`
	Delivered  int64     `json:"delivered" doc:"Of these, how many the endpoint has acknowledged."`
	Waiting    int64     `json:"waiting" doc:"How many it has yet to acknowledge."`
	Failed     int64     `json:"failed" doc:"How many it refused to the end of its schedule, or with 410."`
	Dropped    int64     `json:"dropped" doc:"How many it need not be told any more: they became pointless, were resent by themselves, or the recovery was cancelled."`
	CreatedAt  time.Time `json:"created_at"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
}

// RecoveryPage is one page of a merchant's recoveries, newest first.
type RecoveryPage struct {
	Recoveries []Recovery `json:"recoveries"`
	NextCursor string     `json:"next_cursor,omitempty" doc:"Hand it back as cursor for the next page; absent on the last."`
}
