// Package monitor shows operators how the queues are: Asynqmon behind a guard,
// health endpoints for probes, and metrics for Prometheus.
//
// It watches and counts. What it watches is handed in through small
// interfaces; it never reads a database itself, and nothing it finds changes
// an order. A dependency that is slow or gone costs a reading, never a scrape
// or a probe: whatever is read is read by one goroutine at a time, kept for a
// moment, and waited for only so long.
//
// # Metrics
//
// Each process counts its own work:
//
//	orderflow_http_request_duration_seconds    histogram  route, method, code  requests answered; code is a class such as 2xx
//	orderflow_callbacks_total                  counter    channel, verdict     callbacks of payment channels, by what was made of them
//	orderflow_task_duration_seconds            histogram  kind, outcome        tries of tasks; outcome is done, later, dead, gone or panic
//	orderflow_order_close_lateness_seconds     histogram  -                    from when an unpaid order was due to close until it was closed
//	orderflow_notice_attempt_duration_seconds  histogram  outcome              tries to deliver a notice to a merchant; outcome is ok, or the class of the failure: blocked, dns, timeout, status, …
//	orderflow_callback_to_merchant_seconds     histogram  -                    from a payment's callback until the merchant had its notice
//	orderflow_notice_begun_seconds             histogram  -                    from when a notice was written until it was sent to an endpoint for the first time
//	orderflow_notice_acknowledged_seconds      histogram  -                    from when a notice was written until an endpoint had taken it
//	orderflow_notice_connections_total         counter    kind                 connections that tries went by: new, or reused
//	orderflow_notices_in_flight                gauge      lane                 tries to deliver a notice that are under way: direct, backlog, or detached from their worker
//	orderflow_notices_detached_total           counter    -                    tries that took over a second and left their worker
//	orderflow_alerts_total                     counter    name                 alerts that were sent to whoever is on duty
//	orderflow_relay_promoted_total             counter    -                    outbox rows handed to asynq
//	orderflow_relay_put_back_total             counter    -                    rows that were handed over, came to nothing, and were put back
//	orderflow_redis_epochs_total               counter    -                    times that Redis was found emptied, or new
//	orderflow_commit_batch_size                histogram  -                    changes that shared one commit
//	orderflow_commit_duration_seconds          histogram  -                    one group commit, from its first statement to its answer
//	orderflow_orders_refused_total             counter    reason               new orders refused because there was too much to do; reason is writing or confirming
//	orderflow_intake_estimate_seconds          gauge      reason               how long a new order would wait to be written, and a payment to be confirmed
//	orderflow_intake_limit_seconds             gauge      reason               the estimate beyond which new orders are refused, the more the farther
//	orderflow_intake_refused_share             gauge      -                    the share of new orders that is refused just now, 0 to 1
//
// The number of requests, tries or commits is the _count of its histogram.
//
// The queues, as asynq sees them, in a process that was given an Inspector.
// Give it to one process, or the same queue is reported by each:
//
//	orderflow_asynq_up                         gauge      -             1 when Redis answered the last reading
//	orderflow_asynq_queue_up                   gauge      queue         1 when this queue could be read; 0 leaves out the rest of it
//	orderflow_asynq_tasks                      gauge      queue, state  tasks that are pending, active, scheduled, retry, archived, completed
//	orderflow_asynq_queue_latency_seconds      gauge      queue         age of the oldest pending task
//	orderflow_asynq_queue_memory_bytes         gauge      queue         Redis memory, estimated by sampling
//	orderflow_asynq_queue_paused               gauge      queue         1 while an operator holds it
//	orderflow_asynq_tasks_processed_total      counter    queue         tasks tried, failed ones included
//	orderflow_asynq_tasks_failed_total         counter    queue         tasks that failed
//	orderflow_asynq_servers                    gauge      -             asynq servers alive
//	orderflow_asynq_workers                    gauge      -             tasks that they can do at once
//	orderflow_asynq_workers_busy               gauge      -             tasks that they are doing
//
// The outbox, in a process that was given its counts; again one is enough.
// Counting stops at tasks.CountMost rows of a sort, so that it stays cheap: a
// number that high means "at least".
//
//	orderflow_outbox_up                            gauge  -     1 when the outbox could be counted
//	orderflow_outbox_waiting_rows                  gauge  kind  rows not handed to asynq yet
//	orderflow_outbox_promoted_rows                 gauge  kind  rows handed to asynq
//	orderflow_outbox_overdue_rows                  gauge  kind  rows that should have been done by now
//	orderflow_outbox_dead_rows                     gauge  kind  rows that wait for an operator
//	orderflow_outbox_oldest_due_timestamp_seconds  gauge  kind  when the oldest live row was or is due; absent without one
//
// What waits for merchants' endpoints, in the same process. Of what waits the
// oldest tasks.CountMost are counted.
//
//	orderflow_deliveries_up                        gauge  -       1 when they could be counted
//	orderflow_deliveries_waiting                   gauge  reason  notices that wait: queued, recovery (behind all others), retry, throttled, paused (its endpoint is only probed), held (by hand, or disabled)
//	orderflow_deliveries_oldest_timestamp_seconds  gauge  reason  since when the oldest of them waits; absent without one
//	orderflow_endpoints                            gauge  state   endpoints that are healthy, slow, failing, paused, disabled; held: paused by hand
//
// Besides these come the go_ and process_ metrics of the Go client. No label
// carries an id, and each takes a limited number of values; what is beyond
// reads "other".
package monitor
