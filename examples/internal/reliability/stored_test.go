package reliability

import (
	"encoding/json"
	"net/http"
	"sync"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A bystander looks at what arrives at the sandbox.
type bystander struct {
	mu    sync.Mutex
	wrong []string
}

func (b *bystander) arrived(r smarttest.Request) {
	wrong := ""
	switch _, body := nameIn(r.Body); {
	case r.Endpoint != smarttest.FHIR && len(r.Header["Authorization"]) > 0:
		wrong = "a bearer came to " + r.Endpoint.String()
	case r.Endpoint == smarttest.FHIR && r.Method == http.MethodPost && string(r.Body) != body:
		wrong = "a body that nobody sent came: " + string(r.Body)
	}
	if wrong != "" {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.wrong = append(b.wrong, wrong)
	}
}

// nameIn returns the name in the body of a create, and the body that belongs to it.
func nameIn(body []byte) (name, whole string) {
	var p struct {
		Name []struct{ Family string }
		Text json.RawMessage
	}
	if err := json.Unmarshal(body, &p); err != nil || len(p.Name) != 1 {
		return "", ""
	}
	return p.Name[0].Family, patient(p.Name[0].Family, p.Text != nil)
}

func (c *chaos) arrived(r smarttest.Request) {
	c.requests.arrived(r)
	c.bystander.arrived(r)
}

// nothingLost compares what callers were told with what the FHIR server holds.
func (c *chaos) nothingLost(g *grumbler, r *tally) {
	src, err := smartauth.New(c.NewClient(smarttest.ClientOptions{}))
	if err != nil {
		g.Fatal(err)
	}
	search, _ := stacks["nethttp"].open(g, src, c.Client())
	status, body, err := search(g.Context(), request{method: http.MethodGet, url: c.BaseURL() + "/Patient?_count=10000000"})
	if err != nil || status != http.StatusOK {
		g.Fatalf("the search at the end: %d, %v", status, err)
	}
	var bundle struct {
		Entry []struct {
			Resource struct{ Name []struct{ Family string } }
		}
	}
	if err := json.Unmarshal(body, &bundle); err != nil {
		g.Fatal(err)
	}
	times := map[string]int{}
	for _, e := range bundle.Entry {
		for _, n := range e.Resource.Name {
			times[n.Family]++
		}
	}
	var created, refused, perhaps, several int
	for name, made := range r.creates {
		n := times[name]
		if n < made.least || n > made.most {
			g.complain("%s is there %d times, and its caller was told of %d, and of %d at most", name, n, made.least, made.most)
		}
		switch {
		case made.least > 0:
			created++
		case made.most == 0:
			refused++
		default:
			perhaps++
		}
		if n > 1 {
			several++
		}
	}
	g.Logf("resources that callers were told of as created: %d, all there; as not created: %d, none there; that connections broke or time ran out at: %d; "+
		"more than once, by repeats of the stack: %d", created, refused, perhaps, several)
}
