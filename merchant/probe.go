package merchant

import (
	"context"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// EndpointTest is the type of what is sent to try an endpoint out. Nobody
// subscribes to it, and it is kept nowhere.
const EndpointTest = "endpoint.test"

type testData struct {
	Endpoint testBody `json:"endpoint"`
}

type testBody struct {
	ID  string `json:"id"`
	URL string `json:"url"`
}

// TestNotice tells an endpoint nothing but that it can be reached.
func TestNotice(e Endpoint, now time.Time) Notice {
	return Notice{
		ID: uuid.Must(uuid.NewV7()).String(), MerchantID: e.MerchantID, Type: EndpointTest,
		Body: encode(EndpointTest, now, testData{testBody{e.ID.String(), e.URL}}),
	}
}

// Verification is whether an endpoint verifies signatures, as far as is known.
type Verification string

// The answers.
const (
	Verifies      Verification = "true"
	DoesNotVerify Verification = "false" // it took what was not signed by us
	NotKnown      Verification = "unknown"
)

// Probe is what an endpoint made of a test, and of a forgery.
type Probe struct {
	Test     Notice
	Signed   Attempt // to send the test, signed as every notice is
	Forged   Attempt // to send another one with a foreign signature; zero when it was not sent
	ForgedID string  // the webhook-id of that one
	Verifies Verification
}

// ProbeEndpoint sends an endpoint a test and, when it takes that, another one
// that is signed with a secret which the merchant never had: whoever verifies
// refuses it. A handler that tells notices by their webhook-id meets two.
func ProbeEndpoint(ctx context.Context, send func(context.Context, Endpoint, Notice) Attempt, e Endpoint, now time.Time) Probe {
	p := Probe{Test: TestNotice(e, now)}
	p.Signed = send(ctx, e, p.Test)
	if p.Signed.OK {
		forger := e
		forger.Secrets = []string{NewSecretFor(e.Scheme())}
		forgery := TestNotice(e, now)
		p.Forged, p.ForgedID = send(ctx, forger, forgery), forgery.ID
	}
	p.Verifies = verification(p.Signed, p.Forged)
	return p
}

// verification judges by what an endpoint answered. One that refuses what is
// rightly signed proves nothing by refusing the other; nor does one that has too
// much to do, or a gateway that cannot reach it.
func verification(signed, forged Attempt) Verification {
	switch {
	case !signed.OK:
		return NotKnown
	case forged.OK:
		return DoesNotVerify
	}
	switch forged.HTTPStatus {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return NotKnown
	}
	return Verifies
}
