package jwks_test

import (
	"crypto/elliptic"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/jwks"
)

func TestNamesThatWithdraw(t *testing.T) {
	dir := newKeyDir(t)
	synctest.Test(t, func(t *testing.T) {
		o := &told{}
		one := dir.add("1.pem")
		dir.write("2.pem.compromised", nil)
		dir.write(".1.pem.compromised", nil)
		r := must(jwks.NewRing(jwks.RingConfig{Load: jwks.Directory(dir.path, nil), OnError: o.onError}))
		use(t, "the name of no key", r, one, one)
		o.expect(t, "2.pem.compromised")
		time.Sleep(time.Hour)
		use(t, "the same", r, one, one)
		o.expect(t)
		two := dir.add("2.pem")
		time.Sleep(reload)
		use(t, "it withdraws what comes", r, one, one)
		o.expect(t, "")
		dir.remove("2.pem.compromised")
		dir.write("1.compromised", nil)
		time.Sleep(reload)
		use(t, "the name without its extension", r, two, two)
		o.expect(t)
	})
}

// File times are too coarse: a second write within one tick leaves size and time as they were.
func TestDirectorySeesEveryChange(t *testing.T) {
	d := newKeyDir(t)
	now := time.Now()
	one := d.add("1.pem")
	d.touch("1.pem", now)
	load := jwks.Directory(d.path, nil)
	if keys := must(load()); keys[0].Signer.KeyID() != one {
		t.Fatal(keys[0].Signer.KeyID())
	}
	key := newEC(elliptic.P256())
	d.write("1.pem", pemOf(key))
	d.touch("1.pem", now)
	if keys := must(load()); keys[0].Signer.KeyID() != thumbprint(key) {
		t.Error("the file was not read again")
	}
	later := now.Add(time.Hour)
	d.touch("1.pem", later)
	if keys := must(load()); !keys[0].Published.Equal(later) {
		t.Error("its new time is not seen")
	}
}

func TestDirectoryReadsNoLargeFile(t *testing.T) {
	d := newKeyDir(t)
	d.write("1.json", append(encode(jwk(newEC(elliptic.P256()), nil)), strings.Repeat(" ", 1<<20)...))
	for _, read := range []func() error{
		func() error { _, err := jwks.Directory(d.path, nil)(); return err },
		func() error { _, err := jwks.ReadKeyFile(filepath.Join(d.path, "1.json"), ""); return err },
	} {
		if err := read(); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
			t.Error(err)
		}
	}
}

// Whoever is in the group only, or neither owner nor group, may read it.
func TestExposedJWK(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("keeps it elsewhere")
	}
	d := newKeyDir(t)
	d.write("1.json", encode(jwk(newEC(elliptic.P256()), nil)))
	for mode, want := range map[os.FileMode]bool{0o600: false, 0o640: true, 0o604: true} {
		if err := os.Chmod(filepath.Join(d.path, "1.json"), mode); err != nil {
			t.Fatal(err)
		}
		key := must(jwks.ReadKeyFile(filepath.Join(d.path, "1.json"), ""))
		if w, ok := key.(interface{ Warning() error }); ok != want || ok && w.Warning() == nil {
			t.Errorf("%v: warns %v", mode, ok)
		}
	}
}
