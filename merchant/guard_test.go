package merchant

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"code.dny.dev/ssrf"
	"github.com/stretchr/testify/require"
)

// inner are addresses that no notice may reach, by what they are.
var inner = map[string][]string{
	"this network":           {"0.0.0.0", "0.0.0.1", "0.255.255.255"},
	"private":                {"10.0.0.0", "10.1.2.3", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.255.255"},
	"carrier-grade NAT":      {"100.64.0.1", "100.127.255.255"},
	"loopback":               {"127.0.0.1", "127.0.0.2", "127.255.255.254", "::1"},
	"link-local":             {"169.254.0.1", "169.254.255.255", "fe80::1", "fe80::1%eth0", "febf::1"},
	"metadata":               {"169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"},
	"Azure's host agent":     {"168.63.129.16"},
	"protocol assignments":   {"192.0.0.1", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.171", "2001:1::1", "2001:1::2", "2001:1::3", "2001:3::1", "2001:1ff:ffff::1"},
	"documentation":          {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"},
	"AS112 and AMT":          {"192.31.196.1", "192.175.48.1", "192.52.193.1", "2001:4:112::1", "2620:4f:8000::1"},
	"6to4":                   {"192.88.99.1", "192.88.99.2", "2002::1", "2002:7f00:1::1", "2002:a9fe:a9fe::1"},
	"ORCHID and DRIP":        {"2001:10::1", "2001:20::1", "2001:30::1"},
	"benchmarks":             {"198.18.0.1", "198.19.255.255", "2001:2::1"},
	"multicast":              {"224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"},
	"reserved":               {"240.0.0.1", "255.255.255.254", "4000::1", "e000::1", "fec0::1"},
	"broadcast":              {"255.255.255.255"},
	"unspecified":            {"::"},
	"IPv4-mapped":            {"::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::ffff:168.63.129.16", "::ffff:0.0.0.0"},
	"IPv4-compatible":        {"::127.0.0.1", "::169.254.169.254"},
	"IPv4-translated":        {"::ffff:0:127.0.0.1"},
	"NAT64":                  {"64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1"},
	"Teredo":                 {"2001::1", "2001:0:7f00:1::1"},
	"unique local":           {"fc00::1", "fdff:ffff::1"},
	"discard":                {"100::1", "100:0:0:1::1"},
	"segment routing (SRv6)": {"5f00::1"},
}

// public are addresses that notices may reach: some well-known ones, and the
// neighbours of what is refused.
var public = []string{
	"1.1.1.1", "8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888",
	"1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
	"168.63.129.15", "168.63.129.17", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0",
	"192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
	"2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1", "3ffe::1",
}

// eachInner runs a parallel test for every inner address.
func eachInner(t *testing.T, test func(*testing.T, netip.Addr)) {
	t.Run("inner", func(t *testing.T) {
		for what, addresses := range inner {
			for _, address := range addresses {
				t.Run(what+" "+address, func(t *testing.T) {
					t.Parallel()
					test(t, netip.MustParseAddr(address))
				})
			}
		}
	})
}

func TestGuardJudgesAddresses(t *testing.T) {
	t.Parallel()
	eachInner(t, func(t *testing.T, ip netip.Addr) {
		err := newGuard(noticePort).Safe(network(ip), netip.AddrPortFrom(ip, noticePort).String(), nil)
		require.True(t, guarded(err), "%v", err)
		require.ErrorContains(t, CheckURL(inURL("https", ip, noticePort), false), "private or reserved")
	})
	for _, address := range public {
		ip := netip.MustParseAddr(address)
		require.NoError(t, newGuard(noticePort).Safe(network(ip), netip.AddrPortFrom(ip, noticePort).String(), nil))
		require.NoError(t, CheckURL(inURL("https", ip, noticePort), false))
	}
}

func TestGuardJudgesPortsAndNetworks(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{
		{"tcp4", "8.8.8.8:80"},
		{"tcp4", "8.8.8.8:22"},
		{"tcp4", "8.8.8.8:0"},
		{"tcp6", "[2606:4700::1111]:80"},
		{"udp4", "8.8.8.8:443"},
		{"unix", "/run/docker.sock"},
		{"tcp6", "[2606:4700::1111%eth0]:443"}, // public, but by a way of this machine
		{"tcp4", "localhost:443"},              // not an address
		{"tcp4", "8.8.8.8"},
	} {
		require.True(t, guarded(newGuard(noticePort).Safe(c[0], c[1], nil)), "%s", c)
	}
}

func network(ip netip.Addr) string {
	if ip.Is4() {
		return "tcp4"
	}
	return "tcp6"
}

// inURL is the URL of an address.
func inURL(scheme string, ip netip.Addr, port uint16) string {
	host := ip.String()
	if ip.Is6() {
		host = "[" + strings.Replace(host, "%", "%25", 1) + "]"
	}
	return scheme + "://" + host + ":" + strconv.Itoa(int(port)) + "/"
}

// No inner address is connected to, in whatever way a URL leads there. The
// lookout sees whoever comes to an address of this machine.
func TestInnerAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	l := keepLookout(t)
	eachInner(t, func(t *testing.T, ip netip.Addr) {
		if ip.Is6() && !l.sixes {
			t.Skip("no IPv6 here")
		}
		n := l.guarded(t, ip.WithZone(""))
		for _, url := range []string{inURL("http", ip, l.port), "http://" + l.at("shop.example")} {
			requireBlocked(t, n.Send(t.Context(), endpoint(url), notice()), ip)
		}
	})
	l.requireNobodyCame(t)
}

// The same on the addresses that this machine really has.
func TestOwnAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	l := keepLookout(t)
	own, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range own {
		prefix, err := netip.ParsePrefix(a.String())
		require.NoError(t, err)
		if ip := prefix.Addr(); newGuard(noticePort).SafeAddr(ip) != nil {
			requireBlocked(t, l.guarded(t).Send(t.Context(), endpoint(inURL("http", ip, l.port)), notice()), ip)
		}
	}
	l.requireNobodyCame(t)
}

// Without the guard the same notices arrive: it is the guard that holds them
// back, and not the machine.
func TestLookoutSeesWhatTheGuardHoldsBack(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1", "::1", "::"} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			l, ip := keepLookout(t), netip.MustParseAddr(address)
			if ip.Is6() && !ip.Is4In6() && !l.sixes {
				t.Skip("no IPv6 here")
			}
			byName := develop(t, Timeouts{})
			byName.dialer.Resolver = resolveTo(ip)
			require.True(t, develop(t, Timeouts{}).Send(t.Context(), endpoint(inURL("http", ip, l.port)), notice()).OK)
			require.True(t, byName.Send(t.Context(), endpoint("http://"+l.at("shop.example")), notice()).OK)
		})
	}
}

// A redirect to an inner address is not followed, although this Notifier has no
// guard.
func TestRedirectsToInnerAddressesAreNotFollowed(t *testing.T) {
	t.Parallel()
	l := keepLookout(t)
	eachInner(t, func(t *testing.T, ip netip.Addr) {
		s, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
			status, _ := strconv.Atoi(r.URL.Path[1:])
			w.Header().Set("Location", inURL("http", ip, l.port))
			w.WriteHeader(status)
		})
		n := develop(t, Timeouts{})
		for _, status := range []string{"/301", "/302", "/303", "/307", "/308"} {
			a := n.Send(t.Context(), endpoint(s.URL+status), notice())
			require.Equal(t, Redirect, a.Class(), a.Error)
		}
	})
	l.requireNobodyCame(t)
}

// Other spellings of inner addresses, and what they stand for where somebody
// reads them so.
var spellings = []struct {
	host, means string
	says        string // by the text alone; "" when only the connection is refused
}{
	{"2130706433", "127.0.0.1", "ends in a number"},
	{"0x7f000001", "127.0.0.1", "ends in a number"},
	{"0X7F000001", "127.0.0.1", "ends in a number"},
	{"017700000001", "127.0.0.1", "ends in a number"},
	{"0177.0.0.1", "127.0.0.1", "ends in a number"},
	{"0x7f.0.0.1", "127.0.0.1", "ends in a number"},
	{"0x7f.1", "127.0.0.1", "ends in a number"},
	{"127.1", "127.0.0.1", "ends in a number"},
	{"127.0.1", "127.0.0.1", "ends in a number"},
	{"127.0.0.01", "127.0.0.1", "ends in a number"},
	{"127.0.0.1.", "127.0.0.1", "ends in a number"},
	{"0", "0.0.0.0", "ends in a number"},
	{"0x", "0.0.0.0", "ends in a number"},
	{"4294967295", "255.255.255.255", "ends in a number"},
	{"2852039166", "169.254.169.254", "ends in a number"},
	{"0xa9fea9fe", "169.254.169.254", "ends in a number"},
	{"0xa9.254.0251.254", "169.254.169.254", "ends in a number"},
	{"169.254.43518", "169.254.169.254", "ends in a number"},
	{"0251.0376.0251.0376", "169.254.169.254", "ends in a number"},
	{"169.254.169.254.", "169.254.169.254", "ends in a number"},
	{"168.63.33040", "168.63.129.16", "ends in a number"},
	{"%31%32%37.0.0.1", "127.0.0.1", "not a URL"},
	{"[0:0:0:0:0:0:0:1]", "::1", "private or reserved"},
	{"[::ffff:7f00:1]", "127.0.0.1", "private or reserved"},
	{"[0:0:0:0:0:ffff:169.254.169.254]", "169.254.169.254", "private or reserved"},
	{"[::1%25lo]", "::1", "private or reserved"},
	{"[64:FF9B::7F00:1]", "64:ff9b::7f00:1", "private or reserved"},
	{"１２７.０.０.１", "127.0.0.1", ""},
	{"127。0。0。1", "127.0.0.1", ""},
	{"①②⑦.⓪.⓪.①", "127.0.0.1", ""},
	{"localhost", "127.0.0.1", ""},
	{"LOCALHOST.", "127.0.0.1", ""},
	{"127.0.0.1.nip.example", "127.0.0.1", ""},
	{"metadata.google.internal", "169.254.169.254", ""},
	{"host.docker.internal", "192.168.65.254", ""},
}

// Whether a spelling is refused by its text or at the connection: nobody is
// called.
func TestOtherSpellingsAreNotDialled(t *testing.T) {
	t.Parallel()
	l := keepLookout(t)
	t.Run("spelled", func(t *testing.T) {
		for _, c := range spellings {
			t.Run(c.host, func(t *testing.T) {
				t.Parallel()
				expect(t, CheckURL("https://"+c.host+"/", false), c.says)

				means := netip.MustParseAddr(c.means)
				production := NewNotifier(Options{})
				t.Cleanup(production.Close)
				production.dialer.Resolver = resolveTo(means)
				a := production.Send(t.Context(), endpoint("https://"+c.host+"/"), notice())
				require.Equal(t, Blocked, a.Class(), a.Error)

				a = l.guarded(t, means).Send(t.Context(), endpoint("http://"+l.at(c.host)), notice())
				require.Contains(t, []Class{Blocked, DNS}, a.Class(), a.Error) // Go's own resolver knows no numbers
				require.False(t, a.Remote.IsValid())
			})
		}
	})
	l.requireNobodyCame(t)
}

// A name that led to a public address when it was registered and first called
// leads inside at the next connection. Here 127.0.0.1 stands for the public
// address: the guard of this test lets it pass, and no other.
func TestNameThatRebinds(t *testing.T) {
	t.Parallel()
	const ours, theirs = "127.0.0.1", "127.0.0.2"
	var leadsTo atomic.Pointer[netip.Addr]
	lead := func(address string) {
		ip := netip.MustParseAddr(address)
		leadsTo.Store(&ip)
	}
	l := keepLookout(t)
	n := develop(t, Timeouts{})
	n.dialer.Resolver = resolveBy(func() []netip.Addr { return []netip.Addr{*leadsTo.Load()} })
	n.dialer.Control = ssrf.New(ssrf.WithPorts(l.port), ssrf.WithAllowedV4Prefixes(netip.MustParsePrefix(ours+"/32"))).Safe
	e := endpoint("http://" + l.at("shop.example"))

	lead(ours)
	a := n.Send(t.Context(), e, notice())
	require.True(t, a.OK, a.Error)
	require.Equal(t, ours, (<-l.came).to.Addr().String())

	lead(theirs)
	a = n.Send(t.Context(), e, notice())
	require.Equal(t, Blocked, a.Class(), a.Error)
	l.requireNobodyCame(t)
}

// A name with a public and an inner address leads inside by neither: here the
// public one is not there.
func TestNameWithAnInnerAddressBesides(t *testing.T) {
	t.Parallel()
	const gone, inside = "127.0.0.3", "127.0.0.1"
	l := keepLookout(t)
	n := l.guarded(t, netip.MustParseAddr(gone), netip.MustParseAddr(inside))
	guard := n.dialer.Control
	var judged atomic.Int32
	n.dialer.Control = func(network, address string, c syscall.RawConn) error {
		judged.Add(1)
		if strings.HasPrefix(address, gone) {
			return syscall.EHOSTUNREACH
		}
		return guard(network, address, c)
	}
	a := n.Send(t.Context(), endpoint("http://"+l.at("shop.example")), notice())
	require.False(t, a.OK)
	require.EqualValues(t, 2, judged.Load())
	l.requireNobodyCame(t)
}

func requireBlocked(t *testing.T, a Attempt, ip netip.Addr) {
	t.Helper()
	require.Equal(t, Blocked, a.Class(), a.Error)
	require.False(t, a.Remote.IsValid(), "the log tells no inner address")
	require.NotContains(t, a.Error, ip.String())
}

// lookout listens at every address of this machine. It acknowledges whatever
// notice comes.
type lookout struct {
	port  uint16
	sixes bool // it listens by IPv6, too
	came  chan visit
}

// visit is a connection that was taken.
type visit struct{ to, from netip.AddrPort }

func keepLookout(t *testing.T) *lookout {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	require.NoError(t, err)
	l := &lookout{port: addrPort(listener.Addr()).Port(), came: make(chan visit, 1024)}
	if six, err := net.Dial("tcp6", l.at("[::1]")); err == nil {
		l.sixes = true
		_ = six.Close()
		conn, err := listener.Accept() // it was us
		require.NoError(t, err)
		_ = conn.Close()
	}
	serveConnections(t, listener, func(nth int, conn net.Conn) {
		l.came <- visit{addrPort(conn.LocalAddr()), addrPort(conn.RemoteAddr())}
		answering("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")(nth, conn)
	})
	return l
}

// at is the lookout's port at a host.
func (l *lookout) at(host string) string { return host + ":" + strconv.Itoa(int(l.port)) }

// guarded is a Notifier that takes every URL and lets its guard alone keep it
// from inner addresses; notices go to the lookout's port. All names lead to ips.
func (l *lookout) guarded(t *testing.T, ips ...netip.Addr) *Notifier {
	t.Helper()
	n := develop(t, Timeouts{})
	n.dialer.Control = newGuard(l.port).Safe
	n.dialer.Resolver = resolveTo(ips...)
	return n
}

// requireNobodyCame goes there itself: whoever came before is seen first.
func (l *lookout) requireNobodyCame(t *testing.T) {
	t.Helper()
	conn, err := net.Dial("tcp4", l.at(loopback))
	require.NoError(t, err)
	defer conn.Close()
	require.Equal(t, addrPort(conn.LocalAddr()), (<-l.came).from, "somebody came before us")
}

// A name server of ours that fails is not named to merchants, and that we have no
// socket to ask it with is no fault of theirs.
func TestOurNameServerIsNotNamed(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		dial  func(context.Context) (net.Conn, error)
		class Class
	}{
		"nobody listens": {func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "udp", "127.0.0.1:1")
		}, DNS},
		"no socket": {func(context.Context) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "udp", Addr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53}, Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}, Stopped},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := develop(t, Timeouts{})
			n.dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) { return tc.dial(ctx) }}
			a := n.Send(t.Context(), endpoint("http://shop.example/"), notice())
			require.Equal(t, tc.class, a.Class(), a.Error)
			require.NotContains(t, a.Error, "127.0.0.1")
		})
	}
}

// A host that leads to a private address and to a public one is called at the
// public one; that it does not answer there for a moment is no reason to give up.
func TestAHostWithOnePublicAddressIsNotBlocked(t *testing.T) {
	t.Parallel()
	n := develop(t, Timeouts{})
	n.dialer.Resolver = resolveTo(netip.MustParseAddr("127.0.0.2"), netip.MustParseAddr("127.0.0.1"))
	n.dialer.Control = func(_, address string, _ syscall.RawConn) error {
		if strings.HasPrefix(address, "127.0.0.2:") {
			return ssrf.ErrProhibitedIP
		}
		return nil
	}
	a := n.Send(t.Context(), endpoint("http://shop.example:1/"), notice()) // nobody listens
	require.Equal(t, Unreachable, a.Class(), a.Error)
	require.NotContains(t, a.Error, "127.0.0.")
	require.False(t, a.Remote.IsValid())

	n.dialer.Resolver = resolveTo(netip.MustParseAddr("127.0.0.2"))
	require.Equal(t, Blocked, n.Send(t.Context(), endpoint("http://shop.example:1/"), notice()).Class())
}
