package producer

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/orderflow/orderflow/order"
	"github.com/orderflow/orderflow/producer/api"
	"github.com/orderflow/orderflow/tasks"
)

type listTasksInput struct {
	State  string `query:"state" enum:"waiting,overdue,dead" default:"waiting" doc:"waiting: alive, due now or later. overdue: alive, and late. dead: waits for an operator."`
	Kind   string `query:"kind" maxLength:"64" example:"payment:query"`
	Limit  int    `query:"limit" minimum:"1" maximum:"199" default:"50"`
	Cursor string `query:"cursor" maxLength:"256" doc:"next_cursor of the page before."`
}

type tasksOutput struct{ Body api.TaskList }

func (s *server) listTasks(ctx context.Context, in *listTasksInput) (*tasksOutput, error) {
	f := tasks.Filter{State: tasks.State(in.State), Kind: tasks.Kind(in.Kind), Limit: in.Limit + 1}
	if f.Kind != "" {
		if _, err := tasks.SpecOf(f.Kind); err != nil {
			return nil, invalid("query.kind", "there is no such kind of task")
		}
	}
	var err error
	if f.After, err = readPlace(in.Cursor); err != nil {
		return nil, err
	}
	rows, err := s.opt.Admin.Tasks(ctx, f)
	if err != nil {
		return nil, err
	}
	out := &tasksOutput{api.TaskList{Tasks: []api.Task{}}}
	if len(rows) > in.Limit {
		rows = rows[:in.Limit]
		out.Body.NextCursor = placeCursor(tasks.PlaceOf(rows[in.Limit-1]))
	}
	for _, r := range rows {
		out.Body.Tasks = append(out.Body.Tasks, taskView(r))
	}
	return out, nil
}

type requeueInput struct {
	Kind    string    `path:"kind" maxLength:"64" example:"payment:query"`
	Subject string    `path:"subject" maxLength:"36"`
	Body    *api.Note // may be left out
}

func (s *server) requeueTask(ctx context.Context, in *requeueInput) (*struct{}, error) {
	subject, err := tasks.SubjectOf(in.Subject)
	if err != nil {
		return nil, order.ErrNotFound
	}
	if _, err := tasks.SpecOf(tasks.Kind(in.Kind)); err != nil {
		return nil, order.ErrNotFound
	}
	why := "by hand"
	if in.Body != nil {
		why = in.Body.Note
	}
	if err := oneLine(map[string]string{"note": why}); err != nil {
		return nil, err
	}
	c, key := callOf(ctx), tasks.Key{Kind: tasks.Kind(in.Kind), Subject: subject}
	c.order = key.Order()
	return nil, s.opt.Admin.Requeue(ctx, key, c.principal.Actor(), why, s.now())
}

func taskView(r tasks.Row) api.Task {
	view := api.Task{
		Kind: string(r.Kind), Subject: r.Subject.String(), DueAt: utc(r.DueAt), PromotedAt: utc(r.PromotedAt),
		DeadAt: utc(r.DeadAt), CreatedAt: utc(r.CreatedAt), Attempts: r.Attempts, LastError: r.LastError, Generation: r.Generation,
	}
	if id := r.Order(); !id.IsZero() {
		view.OrderID = id.String()
	}
	return view
}

func placeCursor(p tasks.Place) string {
	text := p.At.UTC().Format(time.RFC3339Nano) + " " + string(p.Kind) + " " + p.Subject.Compact()
	return base64.RawURLEncoding.EncodeToString([]byte(text))
}

func readPlace(cursor string) (p tasks.Place, err error) {
	if cursor == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if parts := strings.Split(string(text), " "); err == nil && len(parts) == 3 {
		at, badTime := time.Parse(time.RFC3339Nano, parts[0])
		_, badKind := tasks.SpecOf(tasks.Kind(parts[1]))
		subject, badSubject := tasks.SubjectOf(parts[2])
		if badTime == nil && badKind == nil && badSubject == nil {
			return tasks.Place{At: at, Key: tasks.Key{Kind: tasks.Kind(parts[1]), Subject: subject}}, nil
		}
	}
	return p, invalid("query.cursor", "want the next_cursor of an answer, as it was")
}
