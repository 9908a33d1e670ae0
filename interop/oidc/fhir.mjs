// A FHIR server that knows one search and believes no bearer that oidc-provider would not vouch for.
import { createRemoteJWKSet, jwtVerify } from 'jose';
import { advance } from './clock.mjs';

export function fhirServer({ provider, issuer, audience }) {
  const live = new Map(); // jti to token; oidc-provider keeps no JWT access tokens, so revoking needs its own list
  const issued = {}; // client id to number of tokens
  for (const event of ['saved', 'issued']) { // opaque, JWT
    provider.on(`client_credentials.${event}`, (token) => {
      live.set(token.jti, token);
      issued[token.clientId] = (issued[token.clientId] ?? 0) + 1;
    });
  }

  const keys = createRemoteJWKSet(new URL('/jwks', issuer));

  async function scopeOf(bearer) {
    const opaque = await provider.ClientCredentials.find(bearer);
    if (opaque) return opaque.isValid ? opaque.scope : undefined;
    try {
      const { payload } = await jwtVerify(bearer, keys, { issuer, audience, typ: 'at+jwt' });
      return live.has(payload.jti) ? payload.scope : undefined;
    } catch {
      return undefined;
    }
  }

  async function revokeAll() {
    const tokens = [...live.values()];
    live.clear();
    await Promise.all(tokens.map((token) => token.destroy()));
    return tokens.length;
  }

  async function smartConfiguration() {
    const response = await fetch(`${issuer}/.well-known/openid-configuration`);
    const metadata = await response.json();
    return {
      issuer,
      jwks_uri: metadata.jwks_uri,
      token_endpoint: metadata.token_endpoint,
      grant_types_supported: metadata.grant_types_supported,
      token_endpoint_auth_methods_supported: metadata.token_endpoint_auth_methods_supported,
      token_endpoint_auth_signing_alg_values_supported: metadata.token_endpoint_auth_signing_alg_values_supported,
      scopes_supported: metadata.scopes_supported,
      capabilities: ['client-confidential-asymmetric', 'permission-v2'],
    };
  }

  async function patients(request, send) {
    const [, bearer] = /^Bearer ([^ ]+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const scope = bearer && await scopeOf(bearer);
    if (scope === undefined) {
      return send(401, outcome('login', 'no valid bearer'), { 'www-authenticate': 'Bearer error="invalid_token"' });
    }
    if (!scope.split(' ').includes('system/Patient.rs')) {
      return send(403, outcome('forbidden', 'the token lacks system/Patient.rs'));
    }
    return send(200, { resourceType: 'Bundle', type: 'searchset', total: 1, entry: [
      { resource: { resourceType: 'Patient', id: 'example' } },
    ] });
  }

  return async (request, response) => {
    const send = (status, body, headers = {}) => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    };
    try {
      const url = new URL(request.url, audience);
      switch (`${request.method} ${url.pathname}`) {
        case 'GET /fhir/.well-known/smart-configuration': return send(200, await smartConfiguration());
        case 'GET /fhir/Patient': return await patients(request, send);
        case 'GET /admin/issued': return send(200, issued);
        case 'POST /admin/clock': return send(200, { ahead: advance(Number(url.searchParams.get('advance'))) });
        case 'POST /admin/revoke': return send(200, { revoked: await revokeAll() });
        default: return send(404, outcome('not-found', 'no such path'));
      }
    } catch (err) {
      console.error(err);
      return send(500, outcome('exception', 'see the server log'));
    }
  };
}

function outcome(code, diagnostics) {
  return { resourceType: 'OperationOutcome', issue: [{ severity: 'error', code, diagnostics }] };
}
