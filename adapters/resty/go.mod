module github.com/smartauth-go/smartauth/adapters/resty

go 1.26.0

require (
	github.com/go-resty/resty/v2 v2.17.2
	github.com/smartauth-go/smartauth v0.1.0
)

require (
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/google/uuid v1.6.0 // indirect
	golang.org/x/net v0.43.0 // indirect
)

replace github.com/smartauth-go/smartauth => ../..
