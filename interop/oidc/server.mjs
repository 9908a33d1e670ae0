// oidc-provider as the authorization server of a small FHIR server, for the Go tests one folder up.
//
// OIDC_CLIENTS is a JSON array of clients: {id, alg, format, typ, jwks | jwks_uri}, where format is "jwt" or "opaque". A
// client with a typ must have it in the header of its assertions, and the issuer as their only audience, as
// draft-ietf-oauth-rfc7523bis has it. When both servers listen, one line of JSON with their URLs is printed. The process ends with its standard input, so that a test
// that is killed leaves no server behind.
import { createServer } from 'node:http';
import { once } from 'node:events';
import { exportJWK, generateKeyPair } from 'jose';
import { Provider, errors } from 'oidc-provider';
import { fhirServer } from './fhir.mjs';

// Standard output is for the one line; oidc-provider writes its notices there.
console.info = console.error;

const scopes = ['system/Patient.rs', 'system/Observation.rs'];
const tokenSeconds = 300;

async function listen() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

function client({ id, alg, jwks, jwks_uri }) {
  return {
    client_id: id,
    client_name: id,
    grant_types: ['client_credentials'],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: alg,
    scope: scopes.join(' '),
    ...(jwks_uri ? { jwks_uri } : { jwks }),
  };
}

const clients = JSON.parse(process.env.OIDC_CLIENTS ?? '[]');
const typOf = new Map(clients.filter((c) => c.typ).map((c) => [c.id, c.typ]));
const wantJWT = new Set(clients.filter((c) => c.format === 'jwt').map((c) => c.id));

// The issuer's and the resource's URLs are part of the configuration, so both ports are taken first.
const auth = await listen();
const fhir = await listen();
const audience = `${fhir.origin}/fhir`;

const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const signingKey = { ...(await exportJWK(privateKey)), kid: 'interop', use: 'sig', alg: 'RS256' };

const provider = new Provider(auth.origin, {
  clients: clients.map(client),
  scopes,
  jwks: { keys: [signingKey] },
  clientAuthMethods: ['private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384'] },
  assertJwtClientAuthClaimsAndHeader: async (ctx, claims, header, { clientId }) => {
    if (!typOf.has(clientId)) return;
    if (header.typ !== typOf.get(clientId)) throw new errors.InvalidClientAuth('typ mismatch');
    if (claims.aud !== ctx.oidc.issuer) throw new errors.InvalidClientAuth('aud is not the issuer');
  },
  clockTolerance: 5,
  ttl: { ClientCredentials: tokenSeconds },
  // oidc-provider refuses to fetch from loopback, which is where the tests publish their JWKS.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, c) => (wantJWT.has(c.clientId) ? audience : undefined),
      getResourceServerInfo: () => ({
        audience,
        scope: scopes.join(' '),
        accessTokenFormat: 'jwt',
        accessTokenTTL: tokenSeconds,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});
provider.on('grant.error', (ctx, err) => console.error(`token refused: ${err.error}: ${err.error_detail ?? err.message}`));
provider.on('server_error', (ctx, err) => console.error(err));

auth.server.on('request', provider.callback());
fhir.server.on('request', fhirServer({ provider, issuer: auth.origin, audience }));

process.stdin.on('end', () => process.exit(0)).resume();
console.log(JSON.stringify({
  issuer: auth.origin,
  token: `${auth.origin}/token`,
  fhir: audience,
  revoke: `${fhir.origin}/admin/revoke`,
  issued: `${fhir.origin}/admin/issued`,
  clock: `${fhir.origin}/admin/clock`,
}));
