// Package simulation is Orderflow's life in a bottle. It has no part in the
// program: its tests let thousands of orders live through everything that can
// go wrong, within minutes, and then look whether anything was lost.
//
// A history is one order and its people: a buyer who pays, pays twice, pays
// short, pays late or walks away; an app that cancels and repeats itself; a
// merchant who delivers, cannot, or contradicts itself; a channel whose
// callbacks come twice, late, in the wrong order or not at all. A world is many
// histories side by side, with the same merchants, the same stock and the same
// weather: processes are killed, Redis is emptied, the channel goes away and
// comes back, connections break.
//
// All that is Orderflow in it is the real thing: the door, the store on a real
// PostgreSQL, the relay, the dispatcher, asynq's servers, the workers, the
// notifier, the sandbox channel on both its sides. Only the network is memory
// and only the clock is simulated: a world lives in a bubble of
// testing/synctest, in which hours of waiting take no time.
//
// When all is quiet the world is judged (judge_test.go): every order is at rest
// in an end state or held with a reason; the channel's money, the ledger's and
// the orders' are the same; stock adds up; nothing is owed but what is due
// later. Then rules are taken away, one at a time (rules_test.go), and the
// judge must notice.
//
// Everybody's choices come from one seed, which a failure prints, with the
// history's number: see docs/simulation.md for how to look at it again.
package simulation
