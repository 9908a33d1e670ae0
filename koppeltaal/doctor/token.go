package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

func (d *doctor) token(ctx context.Context) Check {
	if d.unsigned { // which says why
		return skipped("not checked, as algorithm failed")
	}
	t, err := d.src.Token(ctx)
	if err != nil {
		found, do := explain(err)
		if e := (*smartauth.Error)(nil); errors.As(err, &e) {
			if more, causes := d.refused(e); causes != nil {
				found, do = found+more, causes
			} else if e.Kind == smartauth.Temporary {
				do = append(do, "the server is in trouble, or the way to it: try again later")
			}
		}
		return red(found, do...)
	}
	d.issued = t
	d.proven()
	life := time.Until(t.Expiry()).Round(time.Second)
	if life < 30*time.Second {
		return yellow(fmt.Sprintf("granted, for %v only", life), "so short a life costs a token request for almost each call: ask those who run the server")
	}
	return green("granted, for %v", life)
}

// proven takes back doubts that a token has settled.
func (d *doctor) proven() {
	for _, name := range []string{tokenEndpoint, algorithm} {
		if c := d.check(name); c.Status == Yellow {
			*c = Check{Name: name, Found: c.Found + "; the server has taken it"}
		}
	}
	if c := d.check(algorithm); d.unlisted {
		*c = Check{Name: algorithm, Status: Yellow, Found: c.Found + "; it has taken this one all the same", Do: c.Do}
	}
}
