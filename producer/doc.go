// Package producer is the door: the HTTP API through which upstream apps,
// merchants and channels reach Orderflow.
package producer
