// Verifies client assertions as a server that is built on jose would: the key from the client's JWKS by its kid, then signature,
// issuer, subject, audience, times and typ.
//
// Standard input is {jwks, audience, clientID, typ, assertions: [{alg, jwt}]}. Standard output is a JSON array: for each assertion
// an empty text, or why it is refused.
import { text } from 'node:stream/consumers';
import { createLocalJWKSet, importJWK, jwtVerify } from 'jose';

const { jwks, audience, clientID, typ, assertions } = JSON.parse(await text(process.stdin));

// Our keys have no alg of their own, as one of RSA is good for several, and importJWK wants one.
const algorithms = { RSA: 'RS384', 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512', Ed25519: 'EdDSA' };
for (const jwk of jwks.keys) {
  const key = await importJWK(jwk, algorithms[jwk.crv ?? jwk.kty]);
  if (key.type !== 'public') throw new Error(`the key ${jwk.kid} is ${key.type}`);
}
const keys = createLocalJWKSet(jwks);

const refusals = await Promise.all(assertions.map(async ({ alg, jwt }) => {
  try {
    const { payload } = await jwtVerify(jwt, keys, {
      algorithms: [alg],
      issuer: clientID,
      subject: clientID,
      audience,
      typ,
      requiredClaims: ['jti', 'iat', 'exp'],
      maxTokenAge: 300,
    });
    if (payload.aud !== audience) return 'aud is not one plain string';
    return '';
  } catch (err) {
    return `${err.code}: ${err.message}`;
  }
}));
console.log(JSON.stringify(refusals));
