// Package doctor finds out why a client gets no token, or none that is of use. Koppeltaal's servers answer 401 to everything that
// is wrong, and say no more; so the doctor looks at all that can be looked at from here, in the order in which things go wrong,
// and lists what is left.
//
//	report := doctor.Run(ctx, doctor.Options{Config: config, KeyFile: "key.pem", JWKSURL: "https://app.example.nl/keys/5f2c81"})
//	fmt.Print(report)           // a line a check, and what to do
//	fmt.Print(report.Support()) // for a mail to those who run the server
//
// The checks are settings, discovery, https, token endpoint, clock, key, key file, JWKS URL, JWKS answer, JWKS key, JWKS caching,
// algorithm, token, scope and read. A service can run them when it starts. They make a handful of requests: one of them for a
// token, and one that reads with it. A report holds no token, assertion or key, and nothing of what was read.
package doctor
