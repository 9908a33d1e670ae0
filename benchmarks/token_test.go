package benchmarks

import "testing"

type tokenPeer struct {
	name  string
	token func() error
}

func tokenPeers(tb testing.TB) []tokenPeer {
	s, ctx := newSources(tb), tb.Context()
	return []tokenPeer{
		{"floor", func() error { _, err := s.floor.Token(); return err }},
		{"smartauth", func() error { _, err := s.smartauth.Token(ctx); return err }},
		{"smartauth+otel", observedPeers(tb)[2].token},
		{"oauth2", func() error { _, err := s.oauth2.Token(); return err }},
		{"google", func() error { _, err := s.google.Token(ctx); return err }},
		{"aws", func() error { _, err := s.aws.Retrieve(ctx); return err }},
	}
}

func BenchmarkTokenSerial(b *testing.B) {
	for _, p := range inTurn(tokenPeers(b)) {
		b.Run("peer="+p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := p.token(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkTokenParallel(b *testing.B) {
	for _, p := range inTurn(tokenPeers(b)) {
		b.Run("peer="+p.name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := p.token(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func TestTokenAllocations(t *testing.T) {
	s, ctx := newSources(t), t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.smartauth.Token(ctx) }); n != 0 {
		t.Errorf("a cached token costs %.0f allocations, want none", n)
	}
}
