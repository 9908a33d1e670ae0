package smarthttp_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
)

// background is a base that answers with 401 while it is sending the body, and with 200 when it has sent both.
type background struct {
	done        chan struct{}
	first, next []byte
}

func (b *background) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.done == nil {
		b.done = make(chan struct{})
		begun := make(chan struct{})
		go func() {
			defer close(b.done)
			defer func() { _ = r.Body.Close() }()
			for one := make([]byte, 1); ; {
				n, err := r.Body.Read(one)
				b.first = append(b.first, one[:n]...)
				if err != nil {
					return
				}
				if len(b.first) == 10 {
					close(begun)
				}
			}
		}()
		<-begun
		return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody}, nil
	}
	<-b.done
	var err error
	b.next, err = io.ReadAll(r.Body)
	_ = r.Body.Close()
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: http.NoBody}, err
}

// What is sent of a body in memory is nobody else's, so that it goes out whole although GetBody rewinds the reader.
func TestBodyInMemoryIsSentFromASnapshot(t *testing.T) {
	content := pattern(100 << 10)
	for name, shared := range map[string]io.ReadSeeker{
		"bytes.Reader":   bytes.NewReader(content),
		"strings.Reader": strings.NewReader(string(content)),
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				const begin = 100 // of what is to be sent
				if _, err := shared.Seek(begin, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/Patient", shared)
				if err != nil {
					t.Fatal(err)
				}
				r.GetBody = func() (io.ReadCloser, error) {
					_, err := shared.Seek(begin, io.SeekStart)
					return io.NopCloser(shared), err
				}
				base := &background{}
				resp, err := (&smarthttp.Transport{Source: s.src, Base: base}).RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusOK || !bytes.Equal(base.first, content[begin:]) || !bytes.Equal(base.next, content[begin:]) {
					t.Errorf("status %d, sent %d bytes and then %d, want %d each", resp.StatusCode, len(base.first), len(base.next), len(content)-begin)
				}
			})
		})
	}
}
