package bench

import (
	"encoding/binary"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/orderflow/orderflow/internal/ident"
	"github.com/orderflow/orderflow/merchant"
	"github.com/orderflow/orderflow/order"
)

// What a pattern's life has where each order has its own. The words are found
// in texts, so they are ones that no text has by itself.
const (
	markMerchant = "the-merchant"
	markBuyer    = "the-buyer"
	markTea      = "the-tea"
	markCup      = "the-cup"
)

var markEndpoint = ident.New[merchant.Endpoint]()

// stamp is what one order has of its own.
type stamp struct {
	pattern  *pattern
	id       order.ID
	dashed   string
	hex      string
	merchant string
	buyer    string
	tea, cup string
	endpoint merchant.EndpointID
	shift    time.Duration // from the pattern's times to its own, whole seconds
}

// at gives an order the times that it would have, had it been made at a time;
// a pattern's fraction of a second is kept.
func (s *stamp) at(made time.Time, random *rand.Rand) {
	s.shift = made.Truncate(time.Second).Sub(s.pattern.made.Truncate(time.Second))
	s.id = idAt(s.pattern.made.Add(s.shift), random)
	s.dashed, s.hex = s.id.String(), s.id.Compact()
}

// idAt is an order's id of that time: UUIDv7, as ident.New makes it.
func idAt(at time.Time, random *rand.Rand) (id order.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16|0x7000|random.Uint64()&0xfff)
	binary.BigEndian.PutUint64(id[8:], 1<<63|random.Uint64()>>2)
	id[15] = 0
	return id
}

// firstID is below every id that is made from then on.
func firstID(at time.Time) (id order.ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(at.UnixMilli())<<16)
	return id
}

// row is a row of a pattern, in the binary form of COPY, cut where orders
// differ.
type row []piece

type piece struct {
	kind kind
	text []byte    // of a literal
	at   time.Time // of a time
}

type kind byte

const (
	literal   kind = iota
	begin          // of a field whose length is not yet known
	end            // of it
	idBytes        // the 15 bytes that an order's ids have in common
	idDashed       // the same as people read it
	idHex          // as channels do
	idHEX          // and in capitals
	aMerchant      // names
	aBuyer
	aTea
	aCup
	anEndpoint
	aTime  // 8 bytes
	inText // a time by RFC 3339, to the second: its fraction is a literal
)

const (
	dashedLen = 34 // of 36: the last two digits name the part
	hexLen    = 30 // of 32
	clockForm = "2006-01-02T15:04:05"
)

// epoch is the beginning of PostgreSQL's time.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// append writes the row as s has it.
func (r row) append(b []byte, s *stamp) []byte {
	field := 0
	for i := range r {
		p := &r[i]
		switch p.kind {
		case literal:
			b = append(b, p.text...)
		case begin:
			field = len(b)
			b = append(b, 0, 0, 0, 0)
		case end:
			binary.BigEndian.PutUint32(b[field:], uint32(len(b)-field-4))
		case idBytes:
			b = append(b, s.id[:15]...)
		case idDashed:
			b = append(b, s.dashed[:dashedLen]...)
		case idHex:
			b = append(b, s.hex[:hexLen]...)
		case idHEX:
			b = append(b, strings.ToUpper(s.hex[:hexLen])...)
		case aMerchant:
			b = append(b, s.merchant...)
		case aBuyer:
			b = append(b, s.buyer...)
		case aTea:
			b = append(b, s.tea...)
		case aCup:
			b = append(b, s.cup...)
		case anEndpoint:
			b = append(b, s.endpoint[:]...)
		case aTime:
			b = binary.BigEndian.AppendUint64(b, uint64(p.at.Add(s.shift).Sub(epoch)/time.Microsecond))
		case inText:
			b = p.at.Add(s.shift).AppendFormat(b, clockForm)
		}
	}
	return b
}

// cutter cuts the rows of one pattern.
type cutter struct {
	id    order.ID
	holes map[string]kind
	find  *regexp.Regexp
}

func newCutter(id order.ID) *cutter {
	compact := id.Compact()[:hexLen]
	c := &cutter{id: id, holes: map[string]kind{
		id.String()[:dashedLen]: idDashed, compact: idHex, strings.ToUpper(compact): idHEX,
		markMerchant: aMerchant, markBuyer: aBuyer, markTea: aTea, markCup: aCup,
	}}
	words := []string{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`}
	for hole := range c.holes {
		words = append(words, regexp.QuoteMeta(hole))
	}
	c.find = regexp.MustCompile(strings.Join(words, "|"))
	return c
}

// field cuts one field of a type; nil is NULL.
func (c *cutter) field(r row, of string, value []byte) row {
	switch {
	case value == nil:
		return r.text([]byte{0xff, 0xff, 0xff, 0xff})
	case of == "uuid" && string(value[:15]) == string(c.id[:15]):
		return append(r.text([]byte{0, 0, 0, 16}), piece{kind: idBytes}).text(value[15:])
	case of == "uuid" && uuid.UUID(value) == uuid.UUID(markEndpoint):
		return append(r.text([]byte{0, 0, 0, 16}), piece{kind: anEndpoint})
	case of == "timestamp with time zone":
		micros := int64(binary.BigEndian.Uint64(value))
		return append(r.text([]byte{0, 0, 0, 8}), piece{kind: aTime, at: epoch.Add(time.Duration(micros) * time.Microsecond)})
	case of == "text" || of == "jsonb" || of == "bytea":
		return c.words(r, value)
	}
	return r.text(binary.BigEndian.AppendUint32(nil, uint32(len(value)))).text(value)
}

// words cuts a text at what is not the same in all.
func (c *cutter) words(r row, value []byte) row {
	found := c.find.FindAllIndex(value, -1)
	if found == nil {
		return r.text(binary.BigEndian.AppendUint32(nil, uint32(len(value)))).text(value)
	}
	r = append(r, piece{kind: begin})
	last := 0
	for _, at := range found {
		word := string(value[at[0]:at[1]])
		p := piece{kind: c.holes[word]}
		if when, err := time.Parse(clockForm, word); err == nil {
			p = piece{kind: inText, at: when}
		}
		r = append(r.text(value[last:at[0]]), p)
		last = at[1]
	}
	return append(r.text(value[last:]), piece{kind: end})
}

// text adds a literal, to the one before where there is one.
func (r row) text(b []byte) row {
	if len(b) == 0 {
		return r
	}
	if n := len(r); n > 0 && r[n-1].kind == literal {
		r[n-1].text = append(r[n-1].text, b...)
		return r
	}
	return append(r, piece{kind: literal, text: append([]byte(nil), b...)})
}
