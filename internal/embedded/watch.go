package embedded

// watch calls died when p ends before its end was asked for. It returns how to
// ask: the closure given to it ends p, and the watcher is gone when it returns.
func watch(p *process, died func()) func(end func()) {
	asked, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-asked:
		case <-p.done:
			select {
			case <-asked: // both at once: it was asked for
			default:
				died()
			}
		}
	}()
	return func(end func()) {
		close(asked)
		end()
		<-gone
	}
}
