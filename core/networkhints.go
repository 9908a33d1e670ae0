package smartauth

import "github.com/smartauth-go/smartauth/internal/peer"

// networkHints tell what to look at when a request brought no response.
func networkHints(phase Phase, err error) []string {
	trouble := peer.Trouble(err)
	if trouble == "" {
		return nil
	}
	where := "Config.BaseURL"
	if phase == PhaseExchange {
		where = "the token endpoint, which the server names unless Config.TokenURL does"
	}
	return []string{trouble + ": check " + where}
}
