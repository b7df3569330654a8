// A certified OpenID provider for the integration tests, configured by the tests.
//
// Standard input takes one JSON object per line, and every line is answered by one line on standard output:
//
//   first line    { tls: { key, cert, ca }, jwks, clients, resources, claims }, everything in PEM or JSON
//   answer        { issuer, mtls }: the base addresses of the two listeners, both on free ports
//   later lines   the members to replace, { jwks } for a rotation of keys; opaque tokens are forgotten
//
// The mtls listener asks for a client certificate and the other one never does, so a client that skips the
// mtls_endpoint_aliases of the discovery document cannot authenticate by its certificate. The process ends
// when standard input closes: no test run, however it ended, leaves one behind.
//
// Keys come from outside because exporting a fresh EC key as a JWK inside Node 20 can deadlock.

import { once } from 'node:events';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';

import { Provider, errors } from 'oidc-provider';

const ROUTES = { token: '/token', introspection: '/introspection', revocation: '/revocation' };

console.info = console.error; // where the library writes its notices; standard output is for answers

function createProvider({ issuer, mtls, jwks, clients, resources, claims }) {
  const provider = new Provider(issuer, {
    jwks,
    clients,
    routes: ROUTES,
    scopes: ['openid', 'offline_access'],
    clientAuthMethods: [
      'client_secret_basic',
      'client_secret_post',
      'client_secret_jwt',
      'private_key_jwt',
      'tls_client_auth',
      'self_signed_tls_client_auth',
    ],
    enabledJWA: {
      clientAuthSigningAlgValues: [
        ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
        ...['ES256', 'ES384', 'ES512', 'Ed25519', 'EdDSA'],
      ],
    },
    discovery: {
      mtls_endpoint_aliases: Object.fromEntries(
        Object.entries(ROUTES).map(([name, path]) => [`${name}_endpoint`, mtls + path]),
      ),
    },
    // Spelled out because the library's own choices come with a notice each.
    ttl: {
      AccessToken: 600,
      BackchannelAuthenticationRequest: 600,
      ClientCredentials: 600,
      Grant: 600,
      IdToken: 600,
      RefreshToken: 600,
    },
    cookies: { keys: ['unused: no browser ever comes here'] },
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    extraTokenClaims: (ctx, token) => claims[token.clientId],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: (ctx, client, token) => token.clientId === client.clientId },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client, oneOf) => oneOf,
        getResourceServerInfo(ctx, indicator) {
          if (!Object.hasOwn(resources, indicator)) throw new errors.InvalidTarget();
          return resources[indicator];
        },
      },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        selfSignedTlsClientAuth: true,
        getCertificate: (ctx) => ctx.socket.getPeerX509Certificate(),
        certificateAuthorized: (ctx) => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) => (
          property === 'tls_client_auth_subject_dn'
          && subjectName(ctx.socket.getPeerX509Certificate()) === expected
        ),
      },
      // The way to tokens of a person (access, refresh and ID token) that needs no browser: CIBA, where the
      // person named by the login hint agrees at once.
      ciba: {
        enabled: true,
        deliveryModes: ['poll'],
        processLoginHint: (ctx, hint) => hint,
        validateBindingMessage() {},
        validateRequestContext() {},
        verifyUserCode() {},
        async triggerAuthenticationDevice(ctx, request, account, client) {
          const grant = new provider.Grant({ clientId: client.clientId, accountId: account.accountId });
          grant.addOIDCScope('openid offline_access');
          for (const [indicator, { scope }] of Object.entries(resources)) grant.addResourceScope(indicator, scope);
          await provider.backchannelResult(request, await grant.save());
        },
      },
    },
  });
  provider.on('server_error', (ctx, error) => console.error(ctx.path, error));
  for (const event of ['grant.error', 'introspection.error', 'revocation.error', 'backchannel_authentication.error']) {
    provider.on(event, (ctx, error) => {
      console.error(ctx.path, error.message, error.error_detail ?? error.error_description);
    });
  }
  return provider;
}

// RFC 4514 puts the most specific part first; Node lists it last, one part per line.
function subjectName(certificate) {
  return certificate.subject.split('\n').reverse().join(',');
}

let answer;

async function listen(options) {
  const server = createServer(options, (request, response) => answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `https://127.0.0.1:${server.address().port}`;
}

let configuration = {};

for await (const line of createInterface({ input: process.stdin })) {
  configuration = { ...configuration, ...JSON.parse(line) };
  configuration.issuer ??= await listen(configuration.tls);
  configuration.mtls ??= await listen({ ...configuration.tls, requestCert: true, rejectUnauthorized: false });
  answer = createProvider(configuration).callback();
  console.log(JSON.stringify({ issuer: configuration.issuer, mtls: configuration.mtls }));
}

process.exit();
