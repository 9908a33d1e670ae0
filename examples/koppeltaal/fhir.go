package main

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/smartauth-go/smartauth/koppeltaal"
)

// opened is what the page of a launch shows.
type opened struct {
	Launch  *koppeltaal.Launch
	Task    task
	Patient patient
}

// identity is what every resource has.
type identity struct {
	ResourceType, ID string
}

func (i identity) reference() string { return i.ResourceType + "/" + i.ID }

type resource interface{ reference() string }

// The parts of the resources that are shown.
type task struct {
	identity
	Meta   struct{ VersionID string }
	Status string
	For    struct{ Reference string }
}

type patient struct {
	identity
	Name []struct {
		Text, Family string
		Given        []string
	}
}

// String returns a name to show, the first that there is.
func (p patient) String() string {
	for _, n := range p.Name {
		if n.Text != "" {
			return n.Text
		}
		if name := strings.TrimSpace(strings.Join(n.Given, " ") + " " + n.Family); name != "" {
			return name
		}
	}
	return "(no name)"
}

// decode unmarshals a resource, which must be the one that was asked for: 200 is also the status of a proxy's own page.
func decode(body []byte, reference string, into resource) error {
	if json.Unmarshal(body, into) != nil {
		return errors.New("the response is no such resource") // the error of encoding/json may quote it
	}
	if into.reference() != reference {
		return errors.New("the response is another resource")
	}
	return nil
}
