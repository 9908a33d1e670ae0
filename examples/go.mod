module github.com/smartauth-go/smartauth/examples

go 1.26.0

require (
	github.com/go-resty/resty/v2 v2.17.2
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/google/uuid v1.6.0
	github.com/hashicorp/go-retryablehttp v0.7.8
	github.com/smartauth-go/smartauth v0.1.0
	github.com/smartauth-go/smartauth/adapters/resty v0.1.0
	github.com/smartauth-go/smartauth/adapters/retryablehttp v0.1.0
)

require (
	github.com/go-jose/go-jose/v4 v4.1.9 // indirect
	github.com/hashicorp/go-cleanhttp v0.5.2 // indirect
	golang.org/x/net v0.43.0 // indirect
)

replace github.com/smartauth-go/smartauth => ..

replace github.com/smartauth-go/smartauth/adapters/resty => ../adapters/resty

replace github.com/smartauth-go/smartauth/adapters/retryablehttp => ../adapters/retryablehttp
