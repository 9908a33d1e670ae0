package jwks_test

import (
	"bytes"
	"crypto/elliptic"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestDirectory(t *testing.T) {
	dir := newKeyDir(t)
	synctest.Test(t, func(t *testing.T) {
		o := &told{}
		one := dir.add("1.pem")
		dir.write("notes.txt", []byte("not a key"))
		dir.write(".hidden.pem", []byte("being written"))
		r := must(jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(dir.path, nil), OnError: o.onError}))
		use(t, "one", r, one, one)

		two := newEC(elliptic.P384())
		dir.write("2.json", encode(jwk(two, members{"kid": "two"})))
		time.Sleep(reload)
		use(t, "a JWK", r, one, one, "two")
		time.Sleep(wait - reload)
		use(t, "its turn", r, "two", one, "two")

		whole := pemOf(newEC(elliptic.P256()))
		dir.write("3.pem", whole[:100])
		for range 3 {
			time.Sleep(reload)
			use(t, "half written", r, "two", one, "two")
		}
		o.expect(t, "3.pem")
		dir.write("2.json.compromised", nil)
		time.Sleep(reload)
		use(t, "compromised beside a broken file", r, one, one)
		dir.write("3.pem", whole)
		three := must(smartauth.ParseKey(whole, "")).KeyID()
		time.Sleep(reload)
		use(t, "finished", r, one, one, three)
		o.expect(t, "")
		time.Sleep(wait - reload)
		use(t, "its turn", r, three, one, three)

		dir.write("3.pem", nil)
		dir.remove("1.pem")
		time.Sleep(reload)
		use(t, "a key whose file breaks stays; one whose file is gone does not", r, three, three)
		o.expect(t, "3.pem")
		dir.write("3.pem.compromised", nil)
		time.Sleep(reload)
		use(t, "a broken file can be compromised", r, "")
		o.expect(t, "no key left")
		four := dir.add("4.pem")
		time.Sleep(reload)
		use(t, "another", r, four, four)
		o.expect(t, "")
	})
}

func TestDirectoryCannotBeRead(t *testing.T) {
	dir := newKeyDir(t)
	synctest.Test(t, func(t *testing.T) {
		o := &told{}
		one := dir.add("1.pem")
		r := must(jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(dir.path, nil), OnError: o.onError}))
		if err := os.Rename(dir.path, dir.path+"-away"); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			time.Sleep(reload)
			use(t, "away", r, one, one)
		}
		o.expect(t, "no such file")
		if err := os.Rename(dir.path+"-away", dir.path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(reload)
		use(t, "back", r, one, one)
		o.expect(t, "")
	})
}

func TestDirectoryRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		fill func(keyDir)
		want string
	}{
		{"nothing", func(keyDir) {}, "returned no keys"},
		{"a public key", func(d keyDir) { d.write("1.json", encode(jwk(newEC(elliptic.P256()).Public(), nil))) }, "1.json: the JWK is a public key"},
		{"one key twice", func(d keyDir) {
			d.add("1.pem")
			d.write("2.pem", must(os.ReadFile(filepath.Join(d.path, "1.pem"))))
		}, "two keys with kid"},
		{"one kid twice", func(d keyDir) {
			d.write("1.json", encode(jwk(newEC(elliptic.P256()), members{"kid": "k"})))
			d.write("2.json", encode(jwk(newEC(elliptic.P256()), members{"kid": "k"})))
		}, `two keys with kid "k"`},
		{"a directory", func(d keyDir) { _ = os.Mkdir(filepath.Join(d.path, "1.pem"), 0o700) }, "is a directory"},
		{"a link to nothing", func(d keyDir) { _ = os.Symlink("none", filepath.Join(d.path, "1.pem")) }, "no such file"},
		{"several", func(d keyDir) { d.write("1.pem", nil); d.write("2.pem", nil) }, "2.pem"},
		{"another passphrase's", func(d keyDir) {
			d.write("1.pem", must(os.ReadFile("../testdata/keys/genpkey.enc")))
		}, "the passphrase is wrong"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newKeyDir(t)
			c.fill(d)
			if _, err := jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(d.path, []byte("battery-staple"))}); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "battery") {
				t.Errorf("error %v, want one about %q", err, c.want)
			}
		})
	}
	if _, err := jwks.Directory(filepath.Join(t.TempDir(), "none"), nil)(); err == nil {
		t.Error("no directory")
	}
}

// Unlocking a key may take a second, and is done once.
func TestDirectoryKeepsWhatItRead(t *testing.T) {
	d := newKeyDir(t)
	d.write("1.pem", must(os.ReadFile("../testdata/keys/genpkey.enc")))
	load := jwks.Directory(d.path, []byte("correct-horse"))
	first, second := must(load()), must(load())
	if len(first) != 1 || first[0].Signer != second[0].Signer {
		t.Error("an unchanged file was read again")
	}
	d.write("1.pem", pemOf(newEC(elliptic.P256())))
	if third := must(load()); third[0].Signer.KeyID() == first[0].Signer.KeyID() {
		t.Error("a changed file was not")
	}
}

func TestTimeInTheName(t *testing.T) {
	d := newKeyDir(t)
	d.add("20261125T120000Z.pem")
	d.add("20261125T120000Z-b.pem")
	d.add("20261325T120000Z.pem") // no month
	touched := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	named := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"20261125T120000Z.pem", "20261125T120000Z-b.pem", "20261325T120000Z.pem"} {
		d.touch(name, touched)
	}
	for i, want := range []time.Time{named, named, touched} {
		if got := must(jwks.Directory(d.path, nil)())[i].Published; !got.Equal(want) {
			t.Errorf("%d: %v, want %v", i, got, want)
		}
	}
}

// Kubernetes mounts every file anew, behind links, and with the time of now.
func TestMountedSecrets(t *testing.T) {
	dir := newKeyDir(t)
	synctest.Test(t, func(t *testing.T) {
		mount := func(version string, files map[string][]byte) {
			if err := os.Mkdir(filepath.Join(dir.path, version), 0o700); err != nil {
				t.Fatal(err)
			}
			for name, data := range files {
				dir.write(filepath.Join(version, name), data)
				_ = os.Symlink(filepath.Join("..data", name), filepath.Join(dir.path, name))
			}
			_ = os.Symlink(version, filepath.Join(dir.path, "..new"))
			if err := os.Rename(filepath.Join(dir.path, "..new"), filepath.Join(dir.path, "..data")); err != nil {
				t.Fatal(err)
			}
		}
		start := func() *jwks.Ring {
			return must(jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(dir.path, nil)}))
		}
		name := func() string { return time.Now().UTC().Format("20060102T150405Z") + ".pem" }
		files := map[string][]byte{}
		add := func() string {
			key := newEC(elliptic.P256())
			files[name()] = pemOf(key)
			return thumbprint(key)
		}
		one := add()
		mount("..1", files)
		r := start()
		use(t, "the first", r, one, one)
		time.Sleep(time.Hour)
		two := add()
		mount("..2", files)
		time.Sleep(reload)
		use(t, "the second is new, although both files are", r, one, one, two)
		use(t, "another container", start(), one, one, two)
		time.Sleep(time.Hour)
		mount("..3", files)
		use(t, "all anew", r, two, two)
		use(t, "another container", start(), two, two)
	})
}

// A JWK that others may read is told of like a PEM.
func TestExposedDirectory(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("keeps it elsewhere")
	}
	dir := newKeyDir(t)
	dir.write("1.json", encode(jwk(newEC(elliptic.P384()), members{"kid": "k"})))
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := must(jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(dir.path, nil)}))
		srv := smarttest.New(t, smarttest.Options{InMemory: true})
		srv.RegisterJWKSHandler("app", jwks.Handler(r, r.MaxAge()))
		src := must(smartauth.New(smartauth.Config{BaseURL: srv.BaseURL(), ClientID: "app", Signer: r, HTTPClient: srv.Client(),
			Observer: smartauth.NewLogObserver(slog.New(slog.NewTextHandler(&log, nil)))}))
		token := func() {
			time.Sleep(6 * time.Minute)
			if _, err := src.Token(t.Context()); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		token()
		if log.Len() > 0 {
			t.Errorf("logged %s", &log)
		}
		if err := os.Chmod(filepath.Join(dir.path, "1.json"), 0o644); err != nil {
			t.Fatal(err)
		}
		token()
		token()
		if strings.Count(log.String(), "level=WARN") != 1 || !strings.Contains(log.String(), "1.json") {
			t.Errorf("logged %s", &log)
		}
	})
}
