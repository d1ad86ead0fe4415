package merchant

import "time"

// EndpointNotice tells a merchant what became of one of its endpoints: news is
// one of the types endpoint.*, waiting how many notices wait for it.
func EndpointNotice(id string, e Endpoint, news string, waiting int64, now time.Time) Notice {
	state := e.Health.state()
	if state == Slow { // what is told is that it takes notices again
		state = Healthy
	}
	return Notice{ID: id, MerchantID: e.MerchantID, Type: news, Body: encode(news, now, endpointData{endpointBody{
		ID: e.ID.String(), URL: e.URL, State: string(state), Since: stamp(e.Health.Since), LastError: e.Health.LastError, Waiting: waiting,
	}})}
}
