package producer

import (
	"github.com/orderflow/orderflow/internal/access"
	"github.com/orderflow/orderflow/producer/api"
)

// Route is a line of the route table, for the tests that go through it.
type Route struct {
	Method, Path, ID string
	Roles            []access.Role
	Success          int
}

func Routes() (list []Route) {
	for _, r := range routes() {
		list = append(list, Route{r.method, r.path, r.id, r.roles, r.success})
	}
	return list
}

// Kinds are the status of every type of problem.
func Kinds() map[api.ProblemType]int {
	m := map[api.ProblemType]int{}
	for _, k := range kinds() {
		m[k.name] = k.status
	}
	return m
}
