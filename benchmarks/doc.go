// Package benchmarks compares what every FHIR call pays, the cached token, the transport and a whole call of resty or
// go-retryablehttp, with other libraries. It is a module of its own, outside go.work, as it pulls those in.
//
//	benchmarks/run.sh        # ten rounds, some four minutes
//	benchmarks/run.sh 3      # three rounds
//
// writes docs/benchmarks.md with its plots, and prints one table of benchstat for each measure, with the peers as columns and
// the first one as the base. The last part of a benchmark's name says who is measured:
//
//   - peer=smartauth is this library.
//   - peer=oauth2 is golang.org/x/oauth2, used as its documentation says; as the stacks' transport, too.
//   - peer=google is the cached token provider of cloud.google.com/go/auth, peer=aws the CredentialsCache of aws-sdk-go-v2,
//     both over a provider as their users write one.
//   - peer=floor is the least that the work can cost: written for the benchmark, with no regard for errors, renewal or
//     where the token goes.
//   - peer=bare, of the transports and stacks, adds no token at all: subtract it to see what the others add. The base below
//     it answers without a network.
//
// All have the same token. Compare the peers of one run only, since times differ between machines and even hours; the
// tests assert allocations, and counts of requests and calls, which do not.
package benchmarks
