// A real OpenID provider (npm oidc-provider) for the tests of bearer tokens.
//
// The first line of standard input is {port, audience, scope, seconds, clients, jwks}; it then
// serves http://127.0.0.1:<port> and says "ready". Each line after that is {jwks}: from then on it
// signs with the first of those keys and publishes them all, and says "changed".
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

let settings;
let answer;

function provide(jwks) {
  const resource = "urn:assay:test";
  const provider = new Provider(`http://127.0.0.1:${settings.port}`, {
    jwks,
    clients: settings.clients.map(({ id, secret }) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      scope: settings.scope,
    })),
    scopes: settings.scope.split(" "),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: (_, __, client) => ({
          scope: settings.scope,
          audience: settings.audience,
          accessTokenFormat: "jwt",
          accessTokenTTL: settings.seconds,
          jwt: {
            sign: { alg: settings.clients.find(({ id }) => id === client.clientId).alg },
          },
        }),
      },
    },
  });
  answer = provider.callback();
}

for await (const line of createInterface({ input: process.stdin })) {
  const said = JSON.parse(line);
  if (settings === undefined) {
    settings = said;
    provide(said.jwks);
    const server = createServer((request, response) => answer(request, response));
    server.listen(settings.port, "127.0.0.1", () => console.log("ready"));
  } else {
    provide(said.jwks);
    console.log("changed");
  }
}
process.exit(0);
