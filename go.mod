module github.com/smartauth-go/smartauth

go 1.26.0

require (
	github.com/golang-jwt/jwt/v5 v5.3.1
	github.com/google/uuid v1.6.0
)

require github.com/go-jose/go-jose/v4 v4.1.9
