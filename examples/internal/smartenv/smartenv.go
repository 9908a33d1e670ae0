// Package smartenv reads the configuration of the examples from the environment.
package smartenv

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// The variables. The first three are required.
const (
	BaseURL   = "SMART_BASE_URL"      // of the FHIR server, tenant included
	ClientID  = "SMART_CLIENT_ID"     // at Koppeltaal the id of the application's Device
	KeyFile   = "SMART_KEY_FILE"      // a private key in PEM
	KeyID     = "SMART_KEY_ID"        // by default the RFC 7638 thumbprint
	Scopes    = "SMART_SCOPES"        // separated by spaces; by default none
	Audience  = "SMART_AUDIENCE"      // with SMART_TOKEN_URL only
	Typ       = "SMART_ASSERTION_TYP" // by default JWT
	TokenURL  = "SMART_TOKEN_URL"     // by default discovered
	Algorithm = "SMART_ALGORITHM"     // by default negotiated
	ReadPath  = "SMART_READ_PATH"     // by default Patient?_count=1
	JWKSURL   = "SMART_JWKS_URL"      // where the application publishes its keys, for the doctor

	InsecureHosts = "SMART_INSECURE_HOSTS" // separated by spaces; by default plain http on loopback only
)

const defaultPath = "Patient?_count=1"

var all = []string{BaseURL, ClientID, KeyFile, KeyID, Scopes, Audience, Typ, TokenURL, Algorithm, ReadPath, JWKSURL, InsecureHosts}

// Names returns all of them.
func Names() []string { return slices.Clone(all) }

// ErrUsage marks errors of the environment itself.
var ErrUsage = errors.New("the SMART_ variables cannot be used")

var terms = strings.NewReplacer("Config.BaseURL", BaseURL, "Config.ClientID", ClientID, "Config.Signer", KeyFile, "Config.Scopes", Scopes,
	"Config.Audience", Audience, "Config.AssertionTyp", Typ, "Config.TokenURL", TokenURL, "Config.Algorithm", Algorithm, "Config.InsecureHosts",
	InsecureHosts, "Options.KeyFile", KeyFile, "Options.JWKSURL", JWKSURL, "Options.ReadPath", ReadPath)

// Terms puts the variables in place of the fields of Config, and of the doctor's Options, that a text of smartauth names.
func Terms(text string) string { return terms.Replace(text) }

// Env is what the variables say.
type Env struct {
	Config         smartauth.Config
	ReadPath       string
	KeyFile, KeyID string
	JWKSURL        string
}

// Parse reads the variables from environ, a list as os.Environ returns, and the key. ok is false if none of them is set. A
// SMART_ variable without SMART_BASE_URL, or one that does not exist, is an error: it was meant to have an effect.
func Parse(environ []string) (env Env, ok bool, err error) {
	env, ok, err = ParseWithoutKey(environ)
	if !ok || err != nil {
		return env, ok, err
	}
	pem, err := os.ReadFile(env.KeyFile)
	if err != nil {
		return Env{}, true, fmt.Errorf("%w: %s: %w", ErrUsage, KeyFile, err)
	}
	env.Config.Signer, err = smartauth.ParseKey(pem, env.KeyID)
	if err != nil {
		return Env{}, true, fmt.Errorf("%w: %s: %w", ErrUsage, KeyFile, err)
	}
	return env, true, nil
}

// ParseWithoutKey is Parse without the key file: there is no Config.Signer, and the file need not be there.
func ParseWithoutKey(environ []string) (env Env, ok bool, err error) {
	set := map[string]string{}
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "SMART_") {
			continue
		}
		if !slices.Contains(all, name) {
			return Env{}, true, fmt.Errorf("%w: %s is not known; there are %s", ErrUsage, name, strings.Join(all, ", "))
		}
		set[name] = value
	}
	if len(set) == 0 {
		return Env{}, false, nil
	}
	var missing []string
	for _, name := range []string{BaseURL, ClientID, KeyFile} {
		if set[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return Env{}, true, fmt.Errorf("%w: not set: %s; the sandbox is used if no SMART_ variable is set", ErrUsage, strings.Join(missing, ", "))
	}
	// A comma alone is no fault: the search parameters of a scope may have them.
	if s := set[Scopes]; strings.Contains(s, ", ") || strings.Contains(s, ",system/") {
		return Env{}, true, fmt.Errorf("%w: the scopes in %s are separated by spaces, not by commas", ErrUsage, Scopes)
	}
	if p := set[ReadPath]; strings.HasPrefix(p, "https://") || strings.HasPrefix(p, "http://") {
		return Env{}, true, fmt.Errorf("%w: %s is what comes after %s, such as %s, and no URL", ErrUsage, ReadPath, BaseURL, defaultPath)
	}
	env = Env{ReadPath: defaultPath, KeyFile: set[KeyFile], KeyID: set[KeyID], JWKSURL: set[JWKSURL], Config: smartauth.Config{
		BaseURL:       set[BaseURL],
		ClientID:      set[ClientID],
		Scopes:        strings.Fields(set[Scopes]),
		Audience:      set[Audience],
		AssertionTyp:  set[Typ],
		TokenURL:      set[TokenURL],
		Algorithm:     set[Algorithm],
		InsecureHosts: strings.Fields(set[InsecureHosts]),
	}}
	if set[ReadPath] != "" {
		env.ReadPath = strings.TrimPrefix(set[ReadPath], "/")
	}
	return env, true, nil
}
