// Package interop tries the library against what others wrote: authorization servers, a PKCS#11 token, another reader of its
// assertions, and the real Prometheus for its metrics, dashboard and alerts. It is a module of its own, outside go.work, as its
// tests need more than Go: Node.js, with `npm ci --ignore-scripts` in each folder with a package.json, SoftHSM 2 (Debian:
// softhsm2) and a C compiler to talk to it, and prometheus and promtool on the PATH.
//
// It also makes docs/conformance.md, from a run of the tests that it names in all folders, and looks after those that SECURITY.md
// names. These files are outside the module, where Go's test cache does not look: run it with -count=1.
package interop
